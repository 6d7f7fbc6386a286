import { createInterface } from 'node:readline/promises';
import { type Message, questionOf } from './chat-request.js';
import { CommandError, EXIT, UsageError } from './exit.js';
import { interrupts } from './interrupts.js';
import { dim } from './terminal.js';

const HINT = 'Ask, one question a line. Ctrl-C stops an answer, Ctrl-D ends.';

/**
 * Asks one question after another, each with all that was said before. On a terminal a failed or
 * stopped answer is not the end; in a pipe it is.
 * @param images of the first question
 * @param ask streams one answer, and gives its text
 * @param between what is between two answers in a pipe
 * @throws CommandError
 */
export async function converse(
  before: Message[],
  images: string[],
  ask: (messages: Message[], signal: AbortSignal) => Promise<string>,
  between: string,
): Promise<void> {
  const isPerson = process.stdin.isTTY && process.stderr.isTTY;
  if (isPerson) console.error(dim(process.stderr, HINT));
  // Between two answers too; while one comes, it is cancelled besides.
  process.stdout.on('error', () => (process.exitCode = EXIT.closedPipe));
  const messages = [...before];
  let count = 0;
  for await (const question of isPerson ? typed() : piped()) {
    messages.push(questionOf(question, count === 0 ? images : []));
    const { signal, stop } = interrupts();
    try {
      messages.push({ role: 'assistant', content: await ask(messages, signal) });
      count++;
    } catch (error) {
      if (!isPerson || !(error instanceof CommandError) || error.exitCode === EXIT.closedPipe) {
        throw error;
      }
      // As if it had not been asked.
      messages.pop();
      console.error(`llm-cast: ${error.message}`);
    } finally {
      stop();
    }
    if (!process.stdout.isTTY) process.stdout.write(between);
  }
  if (count === 0 && !isPerson) throw new UsageError('There is no prompt.', 'chat');
}

/** The questions of somebody at a terminal, who edits them and gets earlier ones back. */
async function* typed(): AsyncGenerator<string> {
  let history: string[] = [];
  for (;;) {
    // For each question a new one: while an answer comes, Ctrl-C must be a signal again.
    const { stdin: input, stderr: output } = process;
    const line = createInterface({ input, output, history, terminal: true });
    line.on('history', (lines: string[]) => (history = lines));
    const gone = new Promise<undefined>((resolve) => {
      line.once('close', () => resolve(undefined));
    });
    line.once('SIGINT', () => {
      line.close();
      process.exitCode = EXIT.cancelled;
    });
    const question = await Promise.race([line.question('> '), gone]);
    line.close();
    if (question === undefined) return void process.stderr.write('\n');
    if (question.trim() !== '') yield question;
  }
}

async function* piped(): AsyncGenerator<string> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== '') yield line;
  }
}
