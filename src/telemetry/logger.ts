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

type Printed = Parameters<ConsoleLogger['printMessages']>;

/** Nest's logger, one line an event, as text or JSON. A reader that is stuck costs lines, not memory. */
export class ServerLogger extends ConsoleLogger {
  private dropped = 0;

  constructor({ LOG_LEVEL, LOG_FORMAT }: Pick<Config, 'LOG_LEVEL' | 'LOG_FORMAT'>) {
    super({
      prefix: 'llm-cast',
      json: LOG_FORMAT === 'json',
      flattenParams: true,
      colors: LOG_FORMAT === 'text' && process.stdout.isTTY,
      compact: true,
      breakLength: Infinity,
      logLevels: LEVELS.slice(LEVELS.indexOf(LOG_LEVEL)),
    });
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
    super.printMessages(...(printed.map(allVisible) as Printed));
  }
}
