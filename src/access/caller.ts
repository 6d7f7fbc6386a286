import { traceparent } from '../protocol/ids.js';
import type { Principal } from './principal.js';

/** The one that asks, built once at each door. */
export interface Caller {
  readonly principal: Principal;
  /** The turn that it takes in the waiting line. */
  readonly turn: string;
  /** The HTTP request that asked (`X-Request-Id`), for the log; undefined over the socket. */
  readonly requestId: string | undefined;
  /** Trace context of the request (W3C Trace Context, `traceparent`), passed on to the upstream. */
  readonly trace: string | undefined;
}

/** Most callers send none: for these zod is not to make a fault. */
const sentTrace = traceparent.optional();

/** A trace context that a caller sent; undefined for none, or for something that is none. */
export function traceOf(sent: unknown): string | undefined {
  return sentTrace.safeParse(sent).data;
}
