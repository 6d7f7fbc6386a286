import { request } from 'node:http';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';

describe('a polling request', () => {
  let app: RunningServer;
  beforeAll(async () => {
    app = await startApp();
  });
  afterAll(() => app?.close());

  const open = async (): Promise<string> => {
    const url = `${app.socketUrl}/socket.io/?EIO=4&transport=polling`;
    const [, sid] = /"sid":"([^"]+)"/.exec(await (await fetch(url)).text()) ?? [];
    return `${url}&sid=${sid}`;
  };
  /** @param pieces sent one by one @returns the status */
  const post = (session: string, pieces: Buffer[]): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const headers = { 'content-type': 'text/plain;charset=UTF-8', 'content-length': length };
      const asked = request(session, { method: 'POST', headers }, (answer) =>
        answer.resume().once('close', () => resolve(answer.statusCode)),
      ).once('error', reject);
      const next = (at: number): void => {
        if (at === pieces.length) return void asked.end();
        asked.write(pieces[at]);
        setTimeout(() => next(at + 1), 20);
      };
      next(0);
    });
  const text = (said: string): Buffer => Buffer.from(`40/events,{"said":"${said}"}`);
  const ff = Buffer.from([0xff]);

  it.each([
    ['a byte that UTF-8 does not have', [Buffer.concat([text('x'), ff])]],
    ['half a character at the end', [text('x'), Buffer.from('é').subarray(0, 1)]],
    ['a surrogate', [Buffer.from([0x34, 0x30, 0xed, 0xa0, 0x80])]],
    ['an overlong form', [Buffer.from([0x34, 0x30, 0xc0, 0xaf])]],
    ['a bad byte in a later piece', [text('x'), ff, text('y')]],
  ])('that is not UTF-8 is refused, and its session is over: %s', async (_, pieces) => {
    const session = await open();
    expect(await post(session, pieces)).toBe(400);
    expect((await fetch(session)).status).toBe(400);
  });

  it('in UTF-8 is taken, wherever its characters are cut', async () => {
    const session = await open();
    const bytes = text('é汉😀\ufffd\ufeff');
    expect(
      await post(
        session,
        [...bytes].map((byte) => Buffer.from([byte])),
      ),
    ).toBe(200);
    expect(await (await fetch(session)).text()).toMatch(/^40\/events,\{"sid"/);
  });
});
