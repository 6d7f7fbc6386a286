import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { io } from 'socket.io-client';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { bearer, KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { Program } from './support/program.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';

const OTHER_SECRET = 'another-secret-of-the-tests-of-32-bytes-and-more';
/** A token that was taken out of force closes what is open with it within a second. */
const WITHIN_MS = 1_000;

/** An event stream as far as it came. */
class Events {
  text = '';
  isOver = false;

  constructor(url: string, credential: string) {
    void this.read(url, credential);
  }

  private async read(url: string, credential: string): Promise<void> {
    try {
      const { body } = await fetch(url, { headers: bearer(credential) });
      const decoder = new TextDecoder();
      for await (const bytes of body ?? []) this.text += decoder.decode(bytes, { stream: true });
    } catch {
      // Cut off: over all the same.
    }
    this.isOver = true;
  }
}

describe('a credential that is no longer good, while an answer runs', () => {
  let upstream: ScriptedUpstream;
  let keys: KeysFile;
  let app: RunningServer;
  let admin: string;
  let shop: string;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    keys = new KeysFile();
    admin = keys.add('ops', { scopes: ['admin'] });
    shop = keys.add('shop');
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
      MAX_CONCURRENT: 50,
      LIMIT_RUNNING: 0,
      // A key is asked for until it is known.
      LIMIT_FAILED_TOKENS_PER_MINUTE: 0,
    });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const rest = (
    method: string,
    path: string,
    credential: string,
    body?: object,
  ): ReturnType<typeof call> => call(method, `${app.url}${path}`, body, bearer(credential));
  const start = async (
    credential: string,
    fields: object = {},
  ): Promise<{ id: string; request: UpstreamCall }> => {
    const asked = { prompt: 'x', onDisconnect: 'keep', ...fields };
    const { body } = await rest('POST', '/llm/generate', credential, asked);
    return { id: body.generationId as string, request: await upstream.nextCall() };
  };
  const eventsOf = (id: string, credential: string): Events =>
    new Events(`${app.url}/llm/generations/${id}/events`, credential);

  it('an event stream ends when its token has expired, and the generation goes on', async () => {
    const { id, request } = await start(await tokenOf('ada'));
    const expiring = eventsOf(id, await tokenOf('ada', undefined, 1));
    const lasting = eventsOf(id, await tokenOf('ada'));
    request.text('one');
    await until(() => expiring.text.includes('one') && lasting.text.includes('one'));
    await until(() => expiring.isOver);
    expect(lasting.isOver).toBe(false);
    request.text(' two').done();
    await until(() => lasting.isOver);
    expect(lasting.text).toContain('"state":"completed"');
    expect(expiring.text).not.toContain('two');
    const { body } = await rest('GET', `/llm/generations/${id}`, await tokenOf('ada'));
    expect(body).toMatchObject({ state: 'completed', text: 'one two' });
  });

  it('and when it is revoked, within a second; sockets too, and those of others stay', async () => {
    const ada = await tokenOf('ada');
    const bob = await tokenOf('bob');
    const { id, request } = await start(ada);
    const events = eventsOf(id, ada);
    const socket = await Client.connect(app.socketUrl, { auth: { token: ada } });
    const other = await Client.connect(app.socketUrl, { auth: { token: bob } });
    request.text('one');
    await until(() => events.text.includes('one'));
    const body = { tenant: 'default', sub: 'ada' };
    expect((await rest('POST', '/admin/revoke', admin, body)).body).toEqual({
      closed: 2,
      cancelled: 0,
    });
    await until(() => events.isOver && !socket.socket.connected, WITHIN_MS);
    expect(socket.exceptions).toMatchObject([{ code: 'unauthorized' }]);
    expect(other.socket.connected).toBe(true);
    socket.close();
    other.close();
    // Nobody took it from the operator: it goes on.
    const { body: all } = await rest('GET', '/admin/generations', admin);
    expect(all.generations).toContainEqual(expect.objectContaining({ generationId: id }));
    request.done();
  });

  it('a revocation cancels what runs where it is told to', async () => {
    const eve = await tokenOf('eve');
    const { id, request } = await start(eve);
    const acting = await start(shop, { userId: 'eve' });
    const body = { tenant: 'default', sub: 'eve', cancel: true };
    const revoked = await rest('POST', '/admin/revoke', admin, body);
    expect(revoked.body).toMatchObject({ cancelled: 1 });
    await request.closed;
    // What is issued in the next second is good.
    await until(async () => {
      const { body: view } = await rest('GET', `/llm/generations/${id}`, await tokenOf('eve'));
      return view.state === 'cancelled' && view.reason === 'admin';
    });
    // That one is of the tenant shop.
    acting.request.done();
  });

  it('a socket that reads with a link reports and leaves as whoever holds the link', async () => {
    const dora = await tokenOf('dora');
    const { id, request } = await start(dora);
    const { body: link } = await rest('POST', `/llm/generations/${id}/share`, dora, {
      verbs: ['read'],
    });
    const auth = { token: await tokenOf('emil') };
    const bob = await Client.connect(app.socketUrl, { auth });
    await bob.accepted('join', { generationId: id, after: 0, token: link.token });
    request.text('a');
    await bob.until(() => bob.text(id) === 'a');
    const felt = { medianMs: 1, p95Ms: 2, cuts: 0, resumes: 0, whole: true };
    expect(await bob.ask('report', { generationId: id, ...felt })).toEqual({ ok: true });
    expect(await bob.ask('leave', { generationId: id })).toEqual({ ok: true });
    request.text('b').done();
    await until(async () => {
      const { body } = await rest('GET', `/llm/generations/${id}`, dora);
      return body.state === 'completed';
    });
    // What it has left it may not ask for without the link.
    expect(await bob.ask('leave', { generationId: id })).toMatchObject({
      error: { code: 'generation_not_found' },
    });
    expect(bob.text(id)).toBe('a');
    bob.close();
  });

  describe('what a key had made is no better than the key', () => {
    const made = async (name: string): Promise<{ token: string; link: string; id: string }> => {
      const key = keys.add(name);
      const minting = (): ReturnType<typeof call> =>
        rest('POST', '/auth/token', key, { userId: 'ada' });
      await until(async () => (await minting()).status === 200);
      const token = (await minting()).body.token as string;
      const { id, request } = await start(token);
      const { body } = await rest('POST', `/llm/generations/${id}/share`, token, {});
      request.text('one');
      return { token, link: body.token as string, id };
    };
    const expectBothEnded = async (id: string, open: Events[], tokens: string[]): Promise<void> => {
      await until(() => open.every(({ isOver }) => isOver), WITHIN_MS);
      for (const token of tokens) {
        expect(await rest('GET', `/llm/generations/${id}`, token)).toMatchObject({ status: 401 });
      }
    };

    it('its tokens and their links end when it is revoked, and what they run', async () => {
      const { token, link, id } = await made('till');
      const open = [eventsOf(id, token), eventsOf(id, link)];
      await until(() => open.every(({ text }) => text.includes('one')));
      const revoked = await rest('POST', '/admin/revoke', admin, { key: 'till', cancel: true });
      expect(revoked.body).toEqual({ closed: 2, cancelled: 1 });
      await expectBothEnded(id, open, [token, link]);
    });

    it('and when the last key of its name is taken out of the file', async () => {
      const before = readFileSync(keys.path, 'utf8');
      const { token, link, id } = await made('kiosk');
      const open = [eventsOf(id, token), eventsOf(id, link)];
      await until(() => open.every(({ text }) => text.includes('one')));
      keys.write(before);
      await expectBothEnded(id, open, [token, link]);
    });
  });

  it('a link ends with the one token that it was shared with, and no other link does', async () => {
    const minted = async (): Promise<string> =>
      (await rest('POST', '/auth/token', shop, { userId: 'ida' })).body.token as string;
    const [phone, laptop] = [await minted(), await minted()];
    const { id, request } = await start(phone);
    const { jti, iat } = decodeJwt(phone);
    // The links are of a later second than what is revoked: they are no better than their tokens.
    await until(() => Date.now() >= (iat! + 1) * 1000);
    const [ofPhone, ofLaptop] = await Promise.all(
      [phone, laptop].map(async (token) => {
        const { body } = await rest('POST', `/llm/generations/${id}/share`, token, {});
        return body.token as string;
      }),
    );
    const open = [phone, ofPhone!].map((credential) => eventsOf(id, credential));
    const other = eventsOf(id, ofLaptop!);
    request.text('one');
    await until(() => [...open, other].every(({ text }) => text.includes('one')));
    const before = new Date(iat! * 1000).toISOString();
    const revoked = await rest('POST', '/admin/revoke', admin, { jti, before });
    expect(revoked.body).toEqual({ closed: 2, cancelled: 0 });
    await until(() => open.every(({ isOver }) => isOver), WITHIN_MS);
    expect(await rest('GET', `/llm/generations/${id}`, ofPhone!)).toMatchObject({ status: 401 });
    expect(await rest('GET', `/llm/generations/${id}`, ofLaptop!)).toMatchObject({ status: 200 });
    expect(other.isOver).toBe(false);
    request.done();
  });

  it('nobody shares what he may not do himself', async () => {
    const ada = await tokenOf('ada', { scopes: ['start', 'read', 'share'] });
    const { id, request } = await start(ada);
    const share = (verbs: string[]): ReturnType<typeof call> =>
      rest('POST', `/llm/generations/${id}/share`, ada, { verbs });
    expect(await share(['read', 'cancel'])).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect((await share(['read'])).status).toBe(201);
    request.done();
  });

  it('a key that is taken out of the file closes what is open with it', async () => {
    const all = readFileSync(keys.path, 'utf8');
    const gone = keys.add('gone');
    await until(async () => (await rest('GET', '/llm/queue', gone)).status === 200);
    const { id, request } = await start(gone);
    const events = eventsOf(id, gone);
    const socket = await Client.connect(app.socketUrl, { auth: { token: gone } });
    const other = await Client.connect(app.socketUrl, { auth: { token: shop } });
    request.text('one');
    await until(() => events.text.includes('one'));
    keys.write(all);
    await until(() => events.isOver && !socket.socket.connected, WITHIN_MS);
    expect(other.socket.connected).toBe(true);
    expect(await rest('GET', '/llm/queue', gone)).toMatchObject({ status: 401 });
    socket.close();
    other.close();
    request.done();
  });

  it('an operator sees what runs, of whom, and cancels any of it; nobody else does', async () => {
    const carl = await tokenOf('carl', { tenant: 'bank' });
    const { id, request } = await start(carl, { prompt: 'a secret question' });
    const listed = await rest('GET', '/admin/generations', admin);
    expect(JSON.stringify(listed.body)).not.toContain('secret question');
    expect(listed.body.generations).toContainEqual({
      generationId: id,
      state: expect.any(String),
      model: 'llama3.2',
      tenant: 'bank',
      sub: 'carl',
      seq: 0,
    });
    for (const credential of [carl, shop]) {
      for (const [method, path] of [
        ['GET', '/admin/generations'],
        ['DELETE', `/admin/generations/${id}`],
        ['POST', '/admin/revoke'],
      ] as const) {
        const body = method === 'POST' ? { sub: 'carl', tenant: 'bank' } : undefined;
        expect(await rest(method, path, credential, body)).toMatchObject({
          status: 403,
          body: { code: 'forbidden' },
        });
      }
    }
    expect((await rest('DELETE', `/admin/generations/${id}`, admin)).status).toBe(204);
    await request.closed;
    const { body } = await rest('GET', `/llm/generations/${id}`, carl);
    expect(body).toMatchObject({ state: 'cancelled', reason: 'admin' });
    expect(await rest('DELETE', `/admin/generations/${id}`, admin)).toMatchObject({ status: 404 });
  });
});

describe('JWT_SECRET in .env', () => {
  it('is read anew at SIGHUP: the rotation of the documents, without a restart', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'llm-cast-env-'));
    const env = (secrets: string): void =>
      writeFileSync(join(cwd, '.env'), `JWT_SECRET=${secrets}\n`);
    const next = async (sub: string): Promise<string> => tokenOf(sub, undefined, 600, OTHER_SECRET);
    env(SECRET);
    const server = Program.run('main.js', [], {
      env: { PORT: 0, SOCKET_PORT: 0, OLLAMA_BASE_URL: 'http://127.0.0.1:1' },
      cwd,
    });
    try {
      const { url, socketUrl } = await server.listening();
      const status = async (token: string): Promise<number> =>
        (await call('GET', `${url}/llm/queue`, undefined, bearer(token))).status;
      const reread = async (): Promise<void> => {
        const before = server.stdout.split('JWT_SECRET was read anew').length;
        server.child.kill('SIGHUP');
        await until(() => server.stdout.split('JWT_SECRET was read anew').length > before);
      };
      const old = await tokenOf('ada');
      expect([await status(old), await status(await next('ada'))]).toEqual([200, 401]);
      const socket = await Client.connect(socketUrl, { auth: { token: old } });
      env(`${OTHER_SECRET},${SECRET}`);
      await reread();
      expect([await status(old), await status(await next('ada'))]).toEqual([200, 200]);
      // The file is broken for a moment: what was there stays.
      env('short');
      server.child.kill('SIGHUP');
      await until(() => (server.stdout + server.stderr).includes('cannot be used'));
      expect([await status(old), await status(await next('ada'))]).toEqual([200, 200]);
      env(OTHER_SECRET);
      await reread();
      // Also what was verified lately is looked at again.
      expect([await status(old), await status(await next('ada'))]).toEqual([401, 200]);
      expect(socket.socket.connected).toBe(true);
      socket.close();
    } finally {
      await server.kill();
    }
  });
});

describe('the audit of refusals', () => {
  it('has a line for each act without a right, and for each over a limit', async () => {
    const keys = new KeysFile();
    const admin = keys.add('ops', { scopes: ['admin'] });
    const upstream = await ScriptedUpstream.start();
    const server = Program.server({
      API_KEYS_FILE: keys.path,
      JWT_SECRET: SECRET,
      LOG_FORMAT: 'json',
      OLLAMA_BASE_URL: upstream.url,
      ALLOW_PULL: 'true',
      LIMIT_STARTS_PER_MINUTE: 1,
      LIMIT_JOINS_PER_10S: 1,
      LIMIT_SOCKETS: 1,
    });
    try {
      const { url, socketUrl } = await server.listening();
      const ada = await tokenOf('ada', { scopes: ['start', 'read'] });
      const bob = await tokenOf('bob', { scopes: ['read'] });
      const ask = (
        method: string,
        path: string,
        credential: string,
        body?: object,
      ): ReturnType<typeof call> => call(method, `${url}${path}`, body, bearer(credential));
      const asked = { prompt: 'x', onDisconnect: 'keep' };
      const { body } = await ask('POST', '/llm/generate', ada, asked);
      const id = body.generationId as string;
      const statuses = [];
      for (const [method, path, credential, body] of [
        ['POST', '/llm/generate', bob, asked],
        ['POST', '/llm/generate', ada, { ...asked, userId: 'bob' }],
        ['POST', '/llm/generate', ada, asked],
        ['GET', `/llm/generations/${id}`, bob],
        ['DELETE', `/llm/generations/${id}`, ada],
        ['POST', '/admin/revoke', ada, { sub: 'bob' }],
        ['POST', '/auth/token', admin, { userId: 'ada' }],
      ] as const) {
        statuses.push((await ask(method, path, credential, body)).status);
      }
      expect(statuses).toEqual([403, 403, 429, 404, 403, 403, 403]);
      expect((await ask('DELETE', `/admin/generations/${id}`, admin)).status).toBe(204);
      const first = await Client.connect(socketUrl, { auth: { token: ada } });
      await first.ask('join', { generationId: id, after: 0 });
      await first.ask('join', { generationId: id, after: 0 });
      const second = io(`${socketUrl}/events`, { reconnection: false, auth: { token: ada } });
      await new Promise((resolve) => second.once('connect_error', resolve));
      first.close();
      second.close();

      const lines = (): Record<string, unknown>[] =>
        server.stdout
          .split('\n')
          .filter((line) => line.includes('"Audit"'))
          .map((line) => JSON.parse(line) as Record<string, unknown>);
      const expected = [
        { message: 'start', tenant: 'default', sub: 'ada', generationId: id },
        { message: 'denied', verb: 'start', sub: 'bob', code: 'forbidden' },
        { message: 'denied', verb: 'start', sub: 'ada', code: 'forbidden' },
        { message: 'limit', verb: 'start', sub: 'ada', code: 'rate_limited' },
        { message: 'denied', verb: 'read', sub: 'bob', generationId: id },
        { message: 'denied', verb: 'cancel', sub: 'ada', generationId: id },
        { message: 'denied', verb: 'admin', sub: 'ada', code: 'forbidden' },
        { message: 'denied', verb: 'mint', key: 'ops', code: 'forbidden' },
        { message: 'cancel', key: 'ops', generationId: id },
        { message: 'limit', verb: 'read', sub: 'ada', generationId: id },
        { message: 'limit', sub: 'ada', address: '127.0.0.1', code: 'rate_limited' },
      ];
      await until(() => lines().length >= expected.length);
      expect(lines()).toMatchObject(expected);
      for (const secret of [ada, bob, admin]) {
        expect(server.stdout + server.stderr).not.toContain(secret.slice(-20));
      }
    } finally {
      await server.kill();
      await upstream.close();
    }
  });
});

describe('tokens a day', () => {
  it('reserve MAX_TOKENS where a request says nothing of its length', async () => {
    const upstream = await ScriptedUpstream.start();
    const app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      MAX_TOKENS: 300,
      LIMIT_TOKENS_PER_DAY: 1_000,
    });
    try {
      const ada = bearer(await tokenOf('ada'));
      const start = async (options: object): Promise<number> => {
        const asked = { prompt: 'xyz', onDisconnect: 'keep', ...options };
        await call('POST', `${app.url}/llm/generate`, asked, ada);
        const { body } = await call('GET', `${app.url}/llm/me`, undefined, ada);
        return body.left.tokensToday as number;
      };
      // The prompt is one token, about.
      expect(await start({})).toBe(699);
      expect(await start({ options: { num_predict: 100_000 } })).toBe(398);
      expect(await start({ options: { num_predict: 97 } })).toBe(300);
    } finally {
      await app.close();
      await upstream.close();
    }
  });
});
