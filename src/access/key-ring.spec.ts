import { hashOfApiKey, newApiKey } from './api-key.js';
import { KeyRing } from './key-ring.js';

const line = (key: string, fields: object = {}): string =>
  JSON.stringify({
    id: key.split('_')[1],
    sha256: hashOfApiKey(key),
    scopes: ['start'],
    createdAt: '2026-01-02T03:04:05.678Z',
    ...fields,
  });

describe('the file of API keys', () => {
  const key = newApiKey('shop');

  it('has new keys of 43 random characters', () => {
    expect(key).toMatch(/^lck_shop_[0-9A-Za-z]{43}$/);
    expect(newApiKey('shop')).not.toBe(key);
  });

  it('finds a key by its hash, and nothing that is nearly it', () => {
    const ring = new KeyRing(`${line(key)}\n`);
    expect(ring.find(key)).toMatchObject({ kind: 'key', keyId: 'shop', tenant: 'shop' });
    for (const wrong of [
      `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`,
      key.slice(0, -1),
      `${key}0`,
      key.replace('shop', 'bank'),
      key.replace('lck_', ''),
      hashOfApiKey(key),
      '',
    ]) {
      expect(ring.find(wrong)).toBeUndefined();
    }
  });

  it('takes two keys of one id: a rotation', () => {
    const second = newApiKey('shop');
    const ring = new KeyRing([line(key), line(second, { scopes: ['read'] })].join('\n'));
    expect(ring.find(key)?.scopes).toEqual(['start']);
    expect(ring.find(second)?.scopes).toEqual(['read']);
  });

  it('gives the usual scopes and its id as the tenant where a line says nothing of them', () => {
    const { id, sha256 } = JSON.parse(line(key)) as { id: string; sha256: string };
    const found = new KeyRing(JSON.stringify({ id, sha256 })).find(key);
    expect(found).toMatchObject({
      tenant: 'shop',
      scopes: ['start', 'read', 'cancel', 'share'],
      limits: {},
    });
  });

  it('knows what a tenant may use', () => {
    const ring = new KeyRing('{"tenant":"shop","limits":{"tokensPerDay":1000}}\n');
    expect(ring.limitsOf('shop')).toEqual({ tokensPerDay: 1000 });
    expect(ring.limitsOf('bank')).toEqual({});
  });

  it('notices a key that is gone or has changed', () => {
    const principal = new KeyRing(line(key)).find(key)!;
    expect(new KeyRing(line(key)).has({ ...principal, userId: 'ada' })).toBe(true);
    expect(new KeyRing('').has(principal)).toBe(false);
    expect(new KeyRing(line(key, { scopes: ['read'] })).has(principal)).toBe(false);
  });

  it.each([
    ['{', 'line 1: not JSON'],
    ['\n\n[]', 'line 3'],
    [line(key, { sha256: 'SECRET' }), 'line 1: sha256'],
    [line(key, { id: 'Shop!' }), 'line 1: id'],
    [line(key, { scopes: ['everything'] }), 'line 1: scopes.0'],
    [line(key, { limits: { tokens: 7 } }), 'line 1: limits'],
    [line(key, { limits: { running: -1 } }), 'line 1: limits.running'],
    [line(key, { owner: 'me' }), 'line 1'],
  ])('refuses %s by the line', (text, message) => {
    let said = '';
    try {
      void new KeyRing(text);
    } catch (error) {
      said = (error as Error).message;
    }
    expect(said).toContain(message);
    expect(said).not.toMatch(/SECRET/);
  });

  it('reads a file with a byte-order mark, CRLF and blank lines', () => {
    expect(new KeyRing(`\uFEFF\r\n${line(key)}\r\n\r\n`).find(key)).toBeDefined();
  });
});
