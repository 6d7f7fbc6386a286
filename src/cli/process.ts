import { ConfigError } from '../config/config-error.js';
import { EXIT } from './exit.js';

/** Ends the process with one sentence that says why it could not start. */
export function exitWithReason(error: unknown): never {
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (error instanceof ConfigError) console.error(`llm-cast cannot start: ${error.message}`);
  else if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    console.error(`llm-cast cannot listen on port ${port} (${code}): see PORT, SOCKET_PORT, HOST.`);
  } else console.error(error);
  process.exit(1);
}

/** Says what is odd about a setting with which the process starts all the same. */
export function warnOfSetting(sentence: string): void {
  console.warn(`llm-cast: ${sentence}`);
}

/** Nest drains at the first SIGTERM or SIGINT and ignores the next: that one ends it at once. */
export function exitAtSecondSignal(): void {
  let signals = 0;
  const onSignal = (_name: string, number: number): void => {
    signals++;
    if (signals > 1) process.exit(128 + number);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** A log that nobody reads any more is no reason to stop. */
export function surviveClosedLog(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/**
 * Ends the process where a program that has no flags is given some: they would be ignored unsaid.
 * @param command what takes them instead
 */
export function refuseArguments(command: string): void {
  const [, , argument] = process.argv;
  if (argument === undefined) return;
  console.error(
    `This program takes no arguments, and was given ${JSON.stringify(argument)}: settings come from the environment or from .env. As flags they go to ${command}.`,
  );
  process.exit(EXIT.usage);
}
