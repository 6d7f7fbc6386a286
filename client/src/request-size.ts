import { type CastError, final } from './cast-error.js';
import { utf8Length } from './platform.js';

/** The server's own default; it hangs up on a larger request. */
export const MAX_REQUEST_BYTES = 20 * 1024 * 1024;
/** What Socket.IO puts around a request. */
const FRAME_BYTES = 256;

/** How many bytes a request is on its way. */
export function bytesOf(request: object): number {
  return utf8Length(JSON.stringify(request)) + FRAME_BYTES;
}

/** The refusal of a request that is not sent, because the server would not take it. */
export function tooLarge(bytes: number, allowed: number): CastError {
  return final('payload_too_large', `The request has ${bytes} bytes; ${allowed} are allowed.`);
}
