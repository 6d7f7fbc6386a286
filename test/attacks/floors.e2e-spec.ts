import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mayHold, NEIGHBOUR_MS, Victim } from '../support/victim.js';

const ROOT = join(import.meta.dirname, '../..');
const LOCK = join(ROOT, 'package-lock.json');

function audit(lock: string): { status: number | null; said: string } {
  const script = join(ROOT, 'scripts/audit-floors.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, lock], { encoding: 'utf8' });
  return { status, said: stderr };
}

describe('npm run audit:floors', () => {
  it('passes the lock file as it is', () => {
    expect(audit(LOCK)).toEqual({ status: 0, said: '' });
  });

  it.each(['8.22.9', '8.9.0', '7.99.99', '8.23.0-rc.1'])(
    'refuses ws %s, wherever it stands, with the reason',
    (version) => {
      const lock = JSON.parse(readFileSync(LOCK, 'utf8')) as { packages: object };
      Object.assign(lock.packages, { 'node_modules/a/node_modules/ws': { version } });
      const doctored = join(tmpdir(), `lock-${process.pid}.json`);
      writeFileSync(doctored, JSON.stringify(lock));
      const { status, said } = audit(doctored);
      expect(status).toBe(1);
      expect(said).toContain(`node_modules/a/node_modules/ws is ${version}, below 8.23.0: before`);
    },
  );

  it('runs in npm run check, and the install script that reports to its makers is off', () => {
    const { scripts, scarfSettings } = JSON.parse(
      readFileSync(join(ROOT, 'package.json'), 'utf8'),
    ) as { scripts: Record<string, string>; scarfSettings: object };
    expect(scripts['check:static']).toContain('npm run audit:floors');
    expect(scripts['check']).toContain('npm run check:static');
    expect(scarfSettings).toEqual({ enabled: false });
  });
});

describe('pings that are never read', () => {
  let victim: Victim;
  beforeAll(async () => (victim = await Victim.start()));
  afterAll(() => victim?.close());

  it('are answered into memory no longer than a moment: the connection is cut', async () => {
    // Masked with zeros: a ping of 125 bytes.
    const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)]);
    const pings = Buffer.concat(Array.from({ length: 2_000 }, () => ping));
    let sent = 0;
    const { held, waited } = await victim.under(
      async () => {
        sent = 0;
        const peer = await victim.connect(victim.socketUrl);
        await peer.send(
          'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n' +
            'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
        );
        peer.stop();
        while (!peer.isCut && sent < 400 * pings.length) {
          await peer.send(pings);
          sent += pings.length;
        }
        expect(peer.isCut).toBe(true);
      },
      () => mayHold(sent),
    );
    expect(sent).toBeLessThan(100 * pings.length);
    expect(held).toBeLessThan(mayHold(sent));
    expect(waited).toBeLessThan(NEIGHBOUR_MS);
  });
});
