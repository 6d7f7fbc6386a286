import { ConfigError } from '../config/config-error.js';
import { EXIT } from './exit.js';

/** Ends the process with one sentence that says why it could not start. */
export function exitWithReason(error: unknown): never {
  const { code, syscall, port, hostname } = error as NodeJS.ErrnoException & {
    port?: number;
    hostname?: string;
  };
  if (error instanceof ConfigError) console.error(`llm-cast cannot start: ${error.message}`);
  else if (syscall === 'listen') {
    console.error(
      `llm-cast cannot listen on port ${port} (${code}): see PORT, SOCKET_PORT, METRICS_PORT, HOST.`,
    );
  } else if (syscall === 'getaddrinfo') {
    console.error(`llm-cast cannot listen on ${hostname} (${code}): see HOST.`);
  } else console.error(error);
  process.exit(1);
}

/** Says what is odd about a setting with which the process starts all the same. */
export function warnOfSetting(sentence: string): void {
  console.warn(`llm-cast: ${sentence}`);
}

/**
 * Nest drains at the first SIGTERM or SIGINT and ignores the next: that one ends it at once. So does one
 * that comes before Nest listens for them: there is nothing to drain yet.
 */
export function exitAtSecondSignal(): void {
  let signals = 0;
  const onSignal = (name: NodeJS.Signals, number: number): void => {
    signals++;
    if (signals > 1 || process.listenerCount(name) === 1) process.exit(128 + number);
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/**
 * A service is told by SIGHUP to read its files anew (`systemctl reload`), which ends a process that does
 * not listen for it: also one that has no such file. On a terminal it means that this was closed.
 */
export function surviveHangup(): void {
  if (!process.stdin.isTTY) process.on('SIGHUP', () => undefined);
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
