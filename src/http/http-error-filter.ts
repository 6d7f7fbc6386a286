import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  Logger,
  NotFoundException,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Lifecycle } from '../generations/lifecycle.js';
import { CastError, ERRORS } from '../protocol/errors.js';
import { toCastError } from './to-cast-error.js';

const UNAUTHORIZED = 401;

/** Answers a refused request in a shape of its own; false where it has none for that request. */
export type AnswerElsewise = (refused: CastError, request: Request, response: Response) => boolean;

/** Answers every refused HTTP request with the contract's one shape, or with that of its door. */
@Catch()
export class HttpErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  constructor(
    private readonly answerElsewise: AnswerElsewise,
    private readonly lifecycle: Pick<Lifecycle, 'tell'>,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    const methods = error instanceof NotFoundException ? methodsAt(response.req) : [];
    if (methods.length > 0) response.setHeader('Allow', methods.join(', '));
    const refused =
      methods.length > 0 ? new CastError('method_not_allowed') : toCastError(error, this.logger);
    this.lifecycle.tell('refused', refused.code);
    const { status } = ERRORS[refused.code];
    if (response.headersSent) return void response.destroy();
    if (status === UNAUTHORIZED) {
      // RFC 6750, section 3.
      const { authorization } = host.switchToHttp().getRequest<Request>().headers;
      const challenge = 'Bearer realm="llm-cast"';
      response.setHeader(
        'WWW-Authenticate',
        authorization === undefined ? challenge : `${challenge}, error="invalid_token"`,
      );
    }
    if (this.answerElsewise(refused, response.req, response)) return;
    if (refused.retryAfterMs !== undefined) {
      response.setHeader('Retry-After', Math.ceil(refused.retryAfterMs / 1000));
    }
    const requestId = response.getHeader('x-request-id');
    response.status(status).json({ statusCode: status, ...refused.refusal(), requestId });
  }
}

/** What may be asked at the address of a request that no route takes (RFC 9110, section 15.5.6). */
function methodsAt({ app, path }: Request): string[] {
  const { stack } = app.router as unknown as { stack: RouterLayer[] };
  const methods = stack
    .filter((layer) => layer.route !== undefined && layer.match(path))
    .flatMap((layer) => Object.keys(layer.route?.methods ?? {}))
    .map((method) => method.toUpperCase());
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method)))];
}

/** What Express's router keeps of each route, and of each middleware (no route). */
interface RouterLayer {
  route?: { methods: Readonly<Record<string, boolean>> };
  match(path: string): boolean;
}
