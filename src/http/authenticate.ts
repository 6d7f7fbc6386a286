import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import type { Audit } from '../access/audit.js';
import { Authentication, bearerOf } from '../access/authentication.js';
import { turnOf } from '../access/acting.js';
import { networkOf } from '../access/address.js';
import { type Caller, traceOf } from '../access/caller.js';
import type { Principal } from '../access/principal.js';
import { isProxied } from '../access/proxy-headers.js';
import { allowsAnonymous, type Config } from '../config/config.js';
import { isLoopback } from '../config/loopback.js';

/**
 * What needs no credential: the page, which asks for one itself, and what watches the process, also with
 * the slash at the end that some probes write.
 */
const OPEN = /^\/(doctor|client\.js|page\.json|icon\.svg|health\/(live|ready|stream)\/?)?$/;

/** Finds out who asks, before anything of the body is read. Who may do what is asked at each act. */
export function authenticateHttp(app: NestExpressApplication): void {
  const authentication = app.get(Authentication);
  // Express 5 hands what an async handler throws to the error handler.
  // oxlint-disable-next-line oxc/no-async-endpoint-handlers
  app.use(async (request: Request, response: Response, next: NextFunction) => {
    if (authentication.isOn && !OPEN.test(request.path)) {
      response.locals['principal'] = await identify(request, authentication);
    } else if (authentication.isOn && request.headers.authorization !== undefined) {
      // Where everybody is served, a bad credential is none.
      response.locals['principal'] = await identify(request, authentication).catch(() => undefined);
    }
    next();
  });
}

async function identify(
  request: Request,
  authentication: Authentication,
): Promise<Principal | undefined> {
  return authentication.identify(() => bearerOf(request.headers.authorization), {
    address: request.ip ?? '',
    requestId: String(request.res?.getHeader('x-request-id')),
  });
}

/** The principal of a request. */
export function principalOf(request: Request): Principal {
  return (request.res?.locals['principal'] as Principal | undefined) ?? { kind: 'rest' };
}

/** Whether the caller of an open address would be served at the others too. */
export function isServed(request: Request, config: Config): boolean {
  return principalOf(request).kind !== 'rest' || allowsAnonymous(config);
}

/** A REST request's caller: the address takes the turn where nobody is known. */
export function callerOf(request: Request): Caller {
  const principal = principalOf(request);
  return {
    principal,
    turn: turnOf(principal, `address ${networkOf(request.ip ?? '')}`),
    requestId: String(request.res?.getHeader('x-request-id')),
    trace: traceOf(request.get('traceparent')),
  };
}

/** The caller, and where the request comes from, as the audit names them. */
export function askingOf(request: Request): Caller & { address: string | undefined } {
  return { ...callerOf(request), address: request.ip };
}

/**
 * Lets through who has the scope `admin`, and, where only this machine can connect, whoever sits at it;
 * writes down a refusal.
 * @throws CastError `forbidden`
 */
export function checkAdmin(request: Request, { HOST }: Pick<Config, 'HOST'>, audit: Audit): void {
  // Without a credential: it sits at the machine.
  const isUnknown = principalOf(request).kind === 'rest';
  if (isUnknown && isLoopback(HOST) && !isProxied(request.headers)) return;
  audit.authorise(askingOf(request), 'admin');
}
