import { io, type Socket } from 'socket.io-client';
import { App, ROOT } from '../../client/test/support/example.js';
import { freePort } from '../support/free-port.js';
import { describeIf, programInPath } from '../support/needs.js';
import { call } from '../support/rest.js';
import { until } from '../support/until.js';

const isThere = ['nginx', 'redis-server'].every((name) => programInPath(name) !== undefined);

describeIf(
  isThere,
  'examples/two-nodes is not run, as PATH has no nginx or no redis-server (apt-get install)',
)('examples/two-nodes', () => {
  let app: App;
  let url: string;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    const env = { PORT: String(await freePort()) };
    app = new App('npm', ['run', 'example', '--', 'two-nodes'], ROOT, env);
    url = await app.answers();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.close();
    await app?.close();
  });

  /** A socket, at whichever node nginx sends it to. Its id begins with that of its node. */
  const connect = async (): Promise<Socket> => {
    const socket = io(`${url}/events`, { transports: ['websocket'], forceNew: true });
    sockets.push(socket);
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return socket;
  };

  it('answers through one address, and goes on with what a living node makes when the other is killed', async () => {
    const both = [await connect(), await connect()];
    const nodes = both.map(({ id = '' }) => id[0]);
    expect(new Set(nodes)).toEqual(new Set(['a', 'b']));
    const [one, other] = both as [Socket, Socket];
    const texts = new Map<string, string>();
    const ends = new Map<string, string>();
    for (const socket of both) {
      socket.on('streamData', (record) => {
        const id = `${socket.id![0]} ${record.generationId}`;
        texts.set(id, (texts.get(id) ?? '') + (record.message?.content ?? ''));
        if (record.state !== undefined) ends.set(id, record.code ?? record.state);
      });
    }
    const messages = [{ role: 'user', content: 'What is it?' }];
    const start = async (socket: Socket): Promise<string> =>
      (await socket.emitWithAck('chat', { messages, onDisconnect: 'keep' })).generationId;
    const there = await start(other);
    await one.emitWithAck('join', { generationId: there, after: 0 });
    await until(() => (texts.get(`${nodes[0]} ${there}`) ?? '').length > 20);
    await until(() => (texts.get(`${nodes[1]} ${there}`) ?? '').length > 20);
    // Last of all: it must not have ended before the other node is killed.
    const here = await start(one);
    await until(() => texts.has(`${nodes[0]} ${here}`));

    const [, pid] = new RegExp(`${nodes[0]} \\(pid (\\d+)\\)`).exec(app.output)!;
    process.kill(Number(pid), 'SIGKILL');
    await until(() => ends.has(`${nodes[1]} ${there}`));
    expect(ends.get(`${nodes[1]} ${there}`)).toBe('completed');
    // What the dead node made has an end on the other one.
    await until(async () => {
      const { body } = await call('GET', `${url}/llm/generations/${here}`);
      return body.state === 'interrupted' && body.code === 'node_lost';
    });
  });
});
