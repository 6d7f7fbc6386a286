import { type ArgumentsHost, Catch, type ExceptionFilter, Logger } from '@nestjs/common';
import type { Response } from 'express';
import { ERRORS } from '../protocol/errors.js';
import { toCastError } from './to-cast-error.js';

/** Answers every refused HTTP request with the contract's one shape. */
@Catch()
export class HttpErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    const refused = toCastError(error, this.logger);
    const { status } = ERRORS[refused.code];
    if (response.headersSent) return void response.destroy();
    if (refused.retryAfterMs !== undefined) {
      response.setHeader('Retry-After', Math.ceil(refused.retryAfterMs / 1000));
    }
    const requestId = response.getHeader('x-request-id');
    response.status(status).json({ statusCode: status, ...refused.refusal(), requestId });
  }
}
