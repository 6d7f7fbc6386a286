import { timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { limits, type Limits, scope, tenantName, USUAL_SCOPES } from '../protocol/access.js';
import { hashOfApiKey, idOfApiKey, KEY_ID } from './api-key.js';
import type { KeyPrincipal } from './principal.js';

/** One line of the file: a key, by its hash. */
export const keyLine = z.strictObject({
  id: z.string().regex(KEY_ID, 'a key id has 1 to 32 small letters, digits and dashes'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex'),
  tenant: tenantName.optional(),
  scopes: z.array(scope).default([...USUAL_SCOPES]),
  limits: limits.default({}),
  createdAt: z.iso.datetime({ offset: true }).optional(),
});
export type KeyLine = z.infer<typeof keyLine>;

/** Another line of the file: what all users and keys of one tenant may use together. */
const tenantLine = z.strictObject({ tenant: tenantName, limits });

const NO_LIMITS: Limits = {};

/** The keys of one file, as it was read. It never changes; another file makes another ring. */
export class KeyRing {
  private readonly byId = new Map<string, KeyPrincipal[]>();
  private readonly tenants = new Map<string, Limits>();

  /**
   * @param text JSON Lines; blank lines are skipped
   * @throws Error with the number of the first wrong line, and never what stands in it
   */
  constructor(text: string) {
    for (const [index, line] of text
      .replace(/^\uFEFF/, '')
      .split('\n')
      .entries()) {
      if (line.trim() === '') continue;
      try {
        this.add(JSON.parse(line));
      } catch (error) {
        const reason =
          error instanceof z.ZodError
            ? error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join(', ')
            : 'not JSON';
        throw new Error(`line ${index + 1}: ${reason}`, { cause: error });
      }
    }
  }

  /** The backend that holds this key. Compared in constant time. */
  find(key: string): KeyPrincipal | undefined {
    const id = idOfApiKey(key);
    if (id === undefined) return undefined;
    const hash = Buffer.from(hashOfApiKey(key));
    return this.byId.get(id)?.find(({ sha256 }) => timingSafeEqual(Buffer.from(sha256), hash));
  }

  /** Whether it still holds the key that this principal came with, and says the same of it. */
  has(principal: KeyPrincipal): boolean {
    const kept = this.byId.get(principal.keyId)?.find(({ sha256 }) => sha256 === principal.sha256);
    if (kept === principal) return true;
    const { userId: _user, ...key } = principal;
    return isDeepStrictEqual(kept, key);
  }

  /** What a tenant may use in all. */
  limitsOf(tenant: string): Limits {
    return this.tenants.get(tenant) ?? NO_LIMITS;
  }

  knows(id: string): boolean {
    return this.byId.has(id);
  }

  /** Of a key; of two with one id, of the one that stands last. */
  limitsOfKey(id: string): Limits {
    return this.byId.get(id)?.at(-1)?.limits ?? NO_LIMITS;
  }

  private add(line: unknown): void {
    if (typeof line === 'object' && line !== null && !('id' in line) && 'tenant' in line) {
      const { tenant, limits } = tenantLine.parse(line);
      this.tenants.set(tenant, limits);
      return;
    }
    const { id, sha256, tenant = id, scopes, limits, createdAt } = keyLine.parse(line);
    const keys = this.byId.get(id) ?? [];
    keys.push({
      kind: 'key',
      tenant,
      keyId: id,
      sha256,
      createdAt: createdAt === undefined ? 0 : Math.floor(Date.parse(createdAt) / 1000),
      scopes,
      limits,
    });
    this.byId.set(id, keys);
  }
}
