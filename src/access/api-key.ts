import { hash, randomInt } from 'node:crypto';

/** `lck_<id>_<secret>`: 43 characters of 62 are 256 random bits. */
const SECRET_CHARS = 43;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY = new RegExp(`^lck_([a-z0-9][a-z0-9-]{0,31})_[0-9A-Za-z]{${SECRET_CHARS}}$`);

/** What an id of a key looks like. */
export const KEY_ID = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** A new API key. It is shown once and kept nowhere: the file holds its hash. */
export function newApiKey(id: string): string {
  const secret = Array.from({ length: SECRET_CHARS }, () => ALPHABET[randomInt(ALPHABET.length)]);
  return `lck_${id}_${secret.join('')}`;
}

/** Whether a credential is meant as an API key. */
export function isApiKey(credential: string): boolean {
  return credential.startsWith('lck_');
}

/** The id in an API key; undefined for something that is none. */
export function idOfApiKey(key: string): string | undefined {
  return KEY.exec(key)?.[1];
}

/** SHA-256 in hex. A key has 256 random bits: a slow hash would protect nothing more. */
export function hashOfApiKey(key: string): string {
  return hash('sha256', key);
}
