import { HttpException, type Logger } from '@nestjs/common';
import { CastError, type ErrorCode } from '../protocol/errors.js';

const byStatus: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
};

/**
 * Nest's and the body parser's errors under our codes. Their own messages are dropped: a JSON
 * syntax error quotes the body, which is the prompt.
 */
export function toCastError(error: unknown, logger: Logger): CastError {
  if (error instanceof CastError) return error;
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new CastError(byStatus[status] ?? 'invalid_request');
  }
  logger.error(error instanceof Error ? (error.stack ?? error.message) : 'something was thrown');
  return new CastError('internal');
}
