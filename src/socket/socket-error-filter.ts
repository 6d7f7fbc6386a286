import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { Socket } from 'socket.io';
import { Lifecycle } from '../generations/lifecycle.js';
import { toCastError } from '../http/to-cast-error.js';

/** Answers every refused socket request through its ack, or as `exception` where it has none. */
@Catch()
export class SocketErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Socket');

  constructor(private readonly lifecycle: Lifecycle) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const [socket, , ack] = host.getArgs<[Socket, unknown, unknown]>();
    const refused = toCastError(error, this.logger);
    this.lifecycle.tell('refused', refused.code);
    if (typeof ack === 'function') ack({ ok: false, error: refused.refusal() });
    else socket.emit('exception', refused.refusal());
  }
}
