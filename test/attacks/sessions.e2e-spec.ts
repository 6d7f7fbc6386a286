import { request } from 'node:http';
import { RawPolling } from '../support/raw-engine.js';
import { Victim } from '../support/victim.js';

/** Asks from another loopback address, as somebody else would. */
function from(
  address: string,
  url: string,
  method = 'GET',
  body = '',
  headers = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { method, headers, localAddress: address, agent: false },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        answer.on('end', () => resolve(`${answer.statusCode} ${text}`));
      },
    );
    asked.on('error', reject).end(body);
  });
}

describe('a polling session', () => {
  let victim: Victim;
  beforeAll(async () => {
    victim = await Victim.start({ TRUST_PROXY: '127.0.0.3', MAX_CONNECTIONS: 50 });
  });
  afterAll(() => victim?.close());
  const polling = (query: string): string =>
    `${victim.socketUrl}/socket.io/?EIO=4&transport=polling${query}`;

  it('belongs to the address that it began at: its sid alone takes nothing over', async () => {
    const { sid } = await RawPolling.open(victim);
    expect(await from('127.0.0.2', polling(`&sid=${sid}`))).toMatch(/^400 /);
    expect(await from('127.0.0.2', polling(`&sid=${sid}`), 'POST', '40/events,')).toMatch(/^400 /);
    const upgrade = `${victim.socketUrl}/socket.io/?EIO=4&transport=websocket&sid=${sid}`;
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    };
    await expect(from('127.0.0.2', upgrade, 'GET', '', headers)).resolves.toMatch(/^400 /);
    expect(await from('127.0.0.1', polling(`&sid=${sid}`), 'POST', '40/events,')).toBe('200 ok');
    expect(await from('127.0.0.1', polling(`&sid=${sid}`))).toMatch(/^200 40\/events,/);
  });

  it('behind a trusted proxy, to the address that the proxy tells', async () => {
    const as = (address: string) => ({ 'x-forwarded-for': address });
    const proxy = '127.0.0.3';
    const opened = await from(proxy, polling(''), 'GET', '', as('203.0.113.7'));
    const sid = /"sid":"([^"]+)"/.exec(opened)?.[1];
    const path = polling(`&sid=${sid}`);
    expect(await from(proxy, path, 'POST', '40/events,', as('203.0.113.8'))).toMatch(/^400 /);
    // Each connection may have a port of its own, where a proxy tells that too.
    expect(await from(proxy, path, 'POST', '40/events,', as('203.0.113.7:1025'))).toBe('200 ok');
    // Of IPv6 the network counts: the rest of an address changes by itself.
    const six = await from(proxy, polling(''), 'GET', '', as('2001:db8:1:2::1'));
    const path6 = polling(`&sid=${/"sid":"([^"]+)"/.exec(six)?.[1]}`);
    expect(await from(proxy, path6, 'POST', '40/events,', as('2001:db8:1:3::1'))).toMatch(/^400 /);
    expect(await from(proxy, path6, 'POST', '40/events,', as('2001:db8:1:2::2'))).toBe('200 ok');
  });

  it.each(['127.0.0.3:49152', '[::ffff:127.0.0.3]:49152', '::ffff:127.0.0.3', '[::ffff:7f00:3]'])(
    'behind two trusted proxies, of which the second is told as %s, to what the first tells',
    async (second) => {
      const as = (address: string) => ({ 'x-forwarded-for': `${address}, ${second}` });
      const opened = await from('127.0.0.3', polling(''), 'GET', '', as('203.0.113.7:1024'));
      const path = polling(`&sid=${/"sid":"([^"]+)"/.exec(opened)?.[1]}`);
      const post = (address: string): Promise<string> =>
        from('127.0.0.3', path, 'POST', '40/events,', as(address));
      expect(await post('203.0.113.8:1024')).toMatch(/^400 /);
      expect(await post('203.0.113.7:1025')).toBe('200 ok');
    },
  );

  it('is not JSONP, and is not fed in chunks', async () => {
    expect(await from('127.0.0.1', polling('&j=0'))).toMatch(/^400 /);
    expect(await from('127.0.0.1', polling('&j='))).toMatch(/^400 /);
    const { sid } = await RawPolling.open(victim);
    const chunked = { 'transfer-encoding': 'chunked' };
    expect(await from('127.0.0.1', polling(`&sid=${sid}`), 'POST', '3', chunked)).toMatch(/^400 /);
  });

  it('counts, with an empty sid too', async () => {
    const answers: string[] = [];
    for (let at = 0; at < 60; at++) answers.push(await from('127.0.0.1', polling('&sid=')));
    expect(answers.filter((answer) => answer.startsWith('200 0'))).not.toHaveLength(60);
    expect(answers.at(-1)).toMatch(/^403 /);
    expect(await from('127.0.0.1', polling('&sid'))).toMatch(/^403 /);
    expect(await from('127.0.0.1', polling(''))).toMatch(/^403 /);
  });
});
