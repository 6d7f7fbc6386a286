import type { z } from 'zod';
import { isLoopback } from './loopback.js';
import type { settings } from './settings.js';

/** Declared as a class so that Nest can inject it by type: `constructor(config: Config)`. */
// oxlint-disable-next-line typescript/no-extraneous-class
export abstract class Config {}
export interface Config extends Readonly<z.output<typeof settings>> {}

type Credentials = Pick<
  Config,
  'API_KEYS_FILE' | 'JWT_SECRET' | 'JWT_JWKS_URL' | 'ALLOW_ANONYMOUS' | 'HOST'
>;

/** Whether callers can prove who they are. */
export function hasCredentials(config: Omit<Credentials, 'ALLOW_ANONYMOUS' | 'HOST'>): boolean {
  return (
    config.API_KEYS_FILE !== undefined ||
    config.JWT_SECRET !== undefined ||
    config.JWT_JWKS_URL !== undefined
  );
}

/** Whether callers are served that do not say who they are. */
export function allowsAnonymous(config: Credentials): boolean {
  return config.ALLOW_ANONYMOUS ?? (isLoopback(config.HOST) && !hasCredentials(config));
}
