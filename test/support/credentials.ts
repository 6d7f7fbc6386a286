import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { hashOfApiKey, newApiKey } from '../../src/access/api-key.js';

/** What the tests sign tokens with. */
export const SECRET = 'a-secret-of-the-tests-of-32-bytes-and-more';

/** A token as the app's backend would make it. */
export function tokenOf(
  sub: string,
  llm?: object,
  seconds = 600,
  secret = SECRET,
): Promise<string> {
  return new SignJWT({ sub, aud: 'llm-cast', ...(llm !== undefined && { llm }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(Buffer.from(secret));
}

export const bearer = (token: string): Record<string, string> => ({
  authorization: `Bearer ${token}`,
});

/** A file of API keys in a folder of its own. */
export class KeysFile {
  readonly path = join(mkdtempSync(join(tmpdir(), 'llm-cast-keys-')), 'keys.jsonl');

  constructor() {
    writeFileSync(this.path, '');
  }

  /** Adds a key. @returns the key itself */
  add(id: string, fields: object = {}): string {
    const key = newApiKey(id);
    const line = { id, sha256: hashOfApiKey(key), createdAt: new Date().toISOString(), ...fields };
    appendFileSync(this.path, `${JSON.stringify(line)}\n`);
    return key;
  }

  /** Replaces all of it. */
  write(text: string): void {
    writeFileSync(this.path, text);
  }
}
