import type { Request } from 'express';
import { keyOf } from '../access/client-address.js';
import { CastError } from '../protocol/errors.js';
import { idempotencyKey } from '../protocol/ids.js';

const optionalKey = idempotencyKey.optional();

/** The idempotency key that a request has in its header. @throws CastError `invalid_request` */
export function idempotencyKeyOf(request: Request): string | undefined {
  const key = optionalKey.safeParse(request.get('idempotency-key'));
  if (key.success) {
    const TRUST_PROXY = request.app.get('trust proxy') !== false;
    return keyOf(key.data, request, { TRUST_PROXY });
  }
  throw new CastError('invalid_request', {
    details: [{ path: 'Idempotency-Key', message: '1 to 255 characters' }],
  });
}
