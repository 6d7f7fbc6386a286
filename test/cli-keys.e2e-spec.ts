import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp } from './support/app.js';
import { bearer, SECRET } from './support/credentials.js';
import { describeIf } from './support/needs.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { until } from './support/until.js';

const folder = (): string => mkdtempSync(join(tmpdir(), 'llm-cast-cli-'));

/** Runs `llm-cast` to its end. */
async function run(
  args: string[],
  env: Record<string, string> = {},
  cwd?: string,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = Program.run('cli.js', args, { env, ...(cwd !== undefined && { cwd }) });
  const code = await program.exited;
  return { code, stdout: program.stdout, stderr: program.stderr };
}

describe('llm-cast key', () => {
  it('makes a key that a running server takes, and takes it back', async () => {
    const file = join(folder(), 'keys.jsonl');
    const first = await run(['key', 'create', 'shop', '--file', file]);
    expect(first).toMatchObject({ code: 0, stdout: expect.any(String) });
    const key = first.stdout.trim();
    expect(key).toMatch(/^lck_shop_[0-9A-Za-z]{43}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain(key.slice(-43));

    const app = await startApp({ API_KEYS_FILE: file, LIMIT_FAILED_TOKENS_PER_MINUTE: 0 });
    const status = async (key: string): Promise<number> =>
      (await call('GET', `${app.url}/llm/queue`, undefined, bearer(key))).status;
    try {
      expect(await status(key)).toBe(200);
      // A rotation: a second key of that name, then the first is taken out.
      const second = (await run(['key', 'create', 'shop'], { API_KEYS_FILE: file })).stdout.trim();
      await until(async () => (await status(second)) === 200);
      expect(await status(key)).toBe(200);
      const revoked = await run(['key', 'revoke', 'shop', '--old', '--file', file]);
      expect(revoked).toMatchObject({ code: 0, stderr: 'llm-cast: taken out: 1\n' });
      await until(async () => (await status(key)) === 401);
      expect(await status(second)).toBe(200);
      await run(['key', 'revoke', 'shop', '--file', file]);
      await until(async () => (await status(second)) === 401);
    } finally {
      await app.close();
    }
  });

  it('takes a key out of the very file that the server reads, which the server can still read then', async () => {
    const file = join(folder(), 'keys.jsonl');
    const link = join(folder(), 'link.jsonl');
    await run(['key', 'create', 'shop', '--file', file]);
    chmodSync(file, 0o644);
    symlinkSync(file, link);
    const before = statSync(file);
    // As an administrator's shell often has it: new files are for nobody else.
    const mask = process.umask(0o077);
    try {
      await run(['key', 'revoke', 'shop', '--file', link]);
    } finally {
      process.umask(mask);
    }
    expect(readFileSync(file, 'utf8')).toBe('');
    expect(readlinkSync(link)).toBe(file);
    const { mode, uid, gid } = statSync(file);
    expect([mode, uid, gid]).toEqual([before.mode, before.uid, before.gid]);
  });

  it('lists what a file holds', async () => {
    const file = join(folder(), 'keys.jsonl');
    const options = ['--scopes', 'start,read', '--tenant', 'eu', '--limits', '{"running":2}'];
    await run(['key', 'create', 'shop', '--file', file, ...options]);
    const { stdout } = await run(['key', 'list', '--file', file]);
    const [header, line] = stdout.split('\n').map((text) => text.split('\t'));
    expect(header).toEqual(['name', 'tenant', 'scopes', 'created', 'limits']);
    expect(line).toEqual(['shop', 'eu', 'start,read', expect.any(String), '{"running":2}']);
  });

  it('reads a file with a byte-order mark, as the server does', async () => {
    const file = join(folder(), 'keys.jsonl');
    await run(['key', 'create', 'shop', '--file', file]);
    writeFileSync(file, `\uFEFF${readFileSync(file, 'utf8')}`);
    const list = await run(['key', 'list', '--file', file]);
    expect(list).toMatchObject({ code: 0, stdout: expect.stringMatching(/^shop\tshop\t/m) });
    const revoked = await run(['key', 'revoke', 'shop', '--file', file]);
    expect(revoked).toMatchObject({ code: 0, stderr: 'llm-cast: taken out: 1\n' });
  });

  it('adds to a file whose last line has no end', async () => {
    const file = join(folder(), 'keys.jsonl');
    await run(['key', 'create', 'one', '--file', file]);
    writeFileSync(file, readFileSync(file, 'utf8').trimEnd());
    await run(['key', 'create', 'two', '--file', file]);
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(2);
  });

  it.each<[string, string[], number]>([
    ['no action', ['key'], 2],
    ['another action', ['key', 'steal', 'shop'], 2],
    ['no name', ['key', 'create'], 2],
    ['a wrong name', ['key', 'create', 'Shop!'], 2],
    ['a wrong scope', ['key', 'create', 'shop', '--scopes', 'root'], 2],
    ['a wrong tenant', ['key', 'create', 'shop', '--tenant', 'a/b'], 2],
    ['limits that are no JSON', ['key', 'create', 'shop', '--limits', '{'], 2],
    ['a key that is not there', ['key', 'revoke', 'shop'], 1],
  ])('refuses %s', async (_name, args, code) => {
    const file = join(folder(), 'keys.jsonl');
    writeFileSync(file, '');
    const result = await run([...args, '--file', file]);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^llm-cast: .+\n$/);
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  it('does not touch a file that is broken', async () => {
    const file = join(folder(), 'keys.jsonl');
    writeFileSync(file, '{"id":"shop"}\n');
    const result = await run(['key', 'revoke', 'shop', '--file', file]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('line 1');
    expect(readFileSync(file, 'utf8')).toBe('{"id":"shop"}\n');
  });
});

describeIf(process.getuid?.() === 0, 'no keys file of another user is tested, as this is not root')(
  'llm-cast key, by root',
  () => {
    it('leaves the file to the user to whom it belongs', async () => {
      const file = join(folder(), 'keys.jsonl');
      await run(['key', 'create', 'shop', '--file', file]);
      chownSync(file, 65_534, 65_534);
      await run(['key', 'revoke', 'shop', '--file', file]);
      expect(readFileSync(file, 'utf8')).toBe('');
      expect(statSync(file)).toMatchObject({ uid: 65_534, gid: 65_534 });
    });
  },
);

describe('llm-cast token', () => {
  it('makes a token that a server with the same secret takes', async () => {
    const app = await startApp({ JWT_SECRET: SECRET });
    const cwd = folder();
    writeFileSync(join(cwd, '.env'), `JWT_SECRET=${SECRET}\n`);
    try {
      for (const made of [
        await run(['token', '--sub', 'ada', '--ttl', '1h'], {}, cwd),
        await run(['token', '--sub', 'ada', '--scopes', 'read'], { JWT_SECRET: SECRET }),
      ]) {
        expect(made).toMatchObject({ code: 0, stderr: '' });
        const { status } = await call(
          'GET',
          `${app.url}/llm/queue`,
          undefined,
          bearer(made.stdout.trim()),
        );
        expect(status).toBe(200);
      }
    } finally {
      await app.close();
    }
  });

  it.each<[string, string[], Record<string, string>, number]>([
    ['no --sub', ['token'], { JWT_SECRET: SECRET }, 2],
    ['a time without a unit', ['token', '--sub', 'a', '--ttl', '15'], { JWT_SECRET: SECRET }, 2],
    ['more than a day', ['token', '--sub', 'a', '--ttl', '25h'], { JWT_SECRET: SECRET }, 2],
    ['no secret', ['token', '--sub', 'a'], {}, 1],
    ['a short secret', ['token', '--sub', 'a'], { JWT_SECRET: 'short' }, 1],
  ])('refuses %s', async (_name, args, env, code) => {
    const result = await run(args, env);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^llm-cast: .+\n$/);
  });
});
