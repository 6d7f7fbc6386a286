#!/usr/bin/env node
import { CommandError, EXIT, UsageError } from './cli/exit.js';
import { interrupts } from './cli/interrupts.js';

/** `llm-cast`: the server, and what one does with it in a terminal. Each command loads only its own. */
const [, , command, ...rest] = process.argv;

async function run(): Promise<void> {
  switch (command) {
    case 'chat':
      return (await import('./cli/chat.js')).chat(rest);
    case 'models':
      return (await import('./cli/models.js')).models(rest, interrupts().signal);
    case 'pull':
      return (await import('./cli/pull.js')).pull(rest, interrupts().signal);
    case 'doctor':
      return (await import('./cli/doctor.js')).doctor(rest, interrupts().signal);
    case 'conformance':
      return (await import('./cli/conformance.js')).conformance(rest, interrupts().signal);
    case 'key':
      return (await import('./cli/key.js')).key(rest, interrupts().signal);
    case 'token':
      return (await import('./cli/token.js')).token(rest, interrupts().signal);
    case 'fake-ollama':
      // It reads its switches itself.
      process.argv.splice(2, 1);
      return void (await import('./fake-ollama/main.js'));
    case 'demo':
      return demo();
    default:
      if (command?.startsWith('-') === false) {
        throw new UsageError(`${JSON.stringify(command)} is not a command.`);
      }
      return start(process.argv.slice(2), () => import('./main.js'));
  }
}

/** The demo reads its own flag itself; the rest are settings. */
function demo(): Promise<void> {
  const own = rest.filter((arg) => arg === '--lan');
  const settings = rest.filter((arg) => arg !== '--lan');
  return start(settings, () => {
    process.argv.push(...own);
    return import('./demo.js');
  });
}

/** Starts a program that reads its settings from the environment, where the flags are put. */
async function start(args: string[], program: () => Promise<unknown>): Promise<void> {
  const { answerOrApply } = await import('./cli/settings.js');
  const answer = answerOrApply(args);
  if (answer === undefined) {
    // They are in the environment now.
    process.argv.splice(2);
    await program();
  } else {
    process.stdout.on('error', () => process.exit(EXIT.closedPipe));
    process.stdout.write(answer);
  }
}

try {
  await run();
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  if (error.message !== '') console.error(`llm-cast: ${error.message}`);
  // Where the reader of the answer is stuck or gone, nothing that waits for it may hold up the end.
  if (error.exitCode > 128) process.exit(error.exitCode);
  process.exitCode = error.exitCode;
}
