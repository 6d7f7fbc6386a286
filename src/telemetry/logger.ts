import { isatty } from 'node:tty';
import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import type { Config } from '../config/config.js';
import { allVisible } from './visible.js';

/** From the least important level to the most. */
const LEVELS: readonly LogLevel[] = ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'];
/** What Nest tells of its own start, route by route. */
const BOOT = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'WebSocketsController',
  'NestApplication',
]);
/** Bytes that may wait for whoever reads the log; lines over it are dropped and counted. */
const MAX_WAITING_BYTES = 1_048_576;

/**
 * How long a line may wait for the next ones, in milliseconds: a write is a system call, which costs as
 * much as a tenth of a whole start. Warnings and errors go at once, with what waits before them.
 */
const GATHER_MS = 20;

type Printed = Parameters<ConsoleLogger['printMessages']>;

/** Nest's logger, one line an event, as text or JSON. A reader that is stuck costs lines, not memory. */
export class ServerLogger extends ConsoleLogger {
  private dropped = 0;
  private gathering: NodeJS.Timeout | undefined;

  constructor({ LOG_LEVEL, LOG_FORMAT }: Pick<Config, 'LOG_LEVEL' | 'LOG_FORMAT'>) {
    super({
      prefix: 'llm-cast',
      json: LOG_FORMAT === 'json',
      flattenParams: true,
      // Nest's own default colours files too.
      colors: LOG_FORMAT === 'text' && isatty(1) && process.stdout.hasColors(),
      compact: true,
      breakLength: Infinity,
      logLevels: LEVELS.slice(LEVELS.indexOf(LOG_LEVEL)),
    });
    process.once('exit', this.flush);
  }

  /** RFC 3339 in UTC; Nest's own is of the locale, without a time zone, and takes several times as long. */
  protected override getTimestamp(): string {
    return new Date().toISOString();
  }

  protected override printMessages(...printed: Printed): void {
    const [, context = '', level, stream = 'stdout'] = printed;
    if (level === 'log' && BOOT.has(context)) return;
    if (process[stream].writableLength > MAX_WAITING_BYTES) {
      this.dropped++;
      return;
    }
    if (this.dropped > 0) {
      const message = `${this.dropped} lines were dropped: nobody read the log`;
      this.dropped = 0;
      super.printMessages([message], 'Logger', 'warn', stream);
    }
    if (level === 'log' && stream === 'stdout') this.gather();
    super.printMessages(...(printed.map(allVisible) as Printed));
    if (level !== 'log') this.flush();
  }

  /** Holds standard output back for a moment. */
  private gather(): void {
    if (this.gathering !== undefined) return;
    process.stdout.cork();
    this.gathering = setTimeout(this.flush, GATHER_MS);
  }

  private readonly flush = (): void => {
    if (this.gathering === undefined) return;
    clearTimeout(this.gathering);
    this.gathering = undefined;
    process.stdout.uncork();
  };
}
