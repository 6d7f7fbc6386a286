import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TerminalRecord } from '../src/protocol/terminal-record.js';
import { Client } from './support/client.js';
import { describeIf } from './support/needs.js';
import { Program } from './support/program.js';
import { ENGINES, RedisServer } from './support/redis-server.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';

const LEASE_MS = 1_500;
const GENERATIONS = 8;
/** Time between two pieces of an answer, in milliseconds. */
const PIECE_MS = 20;

interface Node {
  program: Program;
  url: string;
  socketUrl: string;
}

/** One answer that goes on: what its upstream has sent, and who reads it. */
interface Answer {
  id: string;
  request: UpstreamCall;
  sent: string;
  here: Client;
  there: Client;
}

for (const { name, program, missing } of ENGINES) {
  describeIf(program !== undefined, missing)(`a cluster on ${name}`, () => {
    let redis: RedisServer;
    let upstream: ScriptedUpstream;
    let nodes: Node[];
    let clients: Client[];
    let writing: NodeJS.Timeout[];

    beforeEach(async () => {
      upstream = await ScriptedUpstream.start();
      [nodes, clients, writing] = [[], [], []];
    });
    afterEach(async () => {
      for (const timer of writing) clearInterval(timer);
      for (const client of clients) client.close();
      for (const node of nodes) await node.program.kill();
      await redis?.close();
      await upstream?.close();
    });

    const startNode = async (env: Record<string, string | number> = {}): Promise<Node> => {
      const program = Program.server({
        OLLAMA_BASE_URL: upstream.url,
        REDIS_URL: redis.url,
        NODE_LEASE_MS: LEASE_MS,
        MAX_CONCURRENT: 64,
        ...env,
      });
      const node = { program, ...(await program.listening()) };
      nodes.push(node);
      return node;
    };
    const startTwo = async (
      redisOptions: string[] = [],
      env: Record<string, string | number> = {},
    ): Promise<[Node, Node]> => {
      redis = await RedisServer.start(program ?? '', ...redisOptions);
      const [a, b] = await Promise.all([startNode(env), startNode(env)]);
      await until(async () => (await redis.ask((client) => client.hlen('lc:nodes'))) === 2);
      await until(async () => {
        const opens = await redis.ask((client) => client.hget('lc:{line}:c', 'opens'));
        return Number(opens) < Date.now();
      });
      return [a, b];
    };
    const connect = async ({ socketUrl }: Node): Promise<Client> => {
      const client = await Client.connect(socketUrl, { reconnection: false });
      clients.push(client);
      return client;
    };
    /** So many answers of one node, each read there and on the other one. */
    const answers = async (a: Node, b: Node, count = GENERATIONS): Promise<Answer[]> => {
      const [here, there] = [await connect(a), await connect(b)];
      const all: Answer[] = [];
      for (let at = 0; at < count; at++) {
        const { generationId: id } = await here.accepted('generate', { prompt: `${at}` });
        const request = await upstream.nextCall();
        await there.accepted('join', { generationId: id, after: 0 });
        const answer: Answer = { id, request, sent: '', here, there };
        writing.push(setInterval(() => write(answer), PIECE_MS));
        all.push(answer);
      }
      return all;
    };
    const write = (answer: Answer): void => {
      if (!answer.request.isOpen) return;
      const piece = `${answer.sent.length} `;
      answer.sent += piece;
      answer.request.text(piece);
    };
    const finish = (all: readonly Answer[]): void => {
      for (const timer of writing.splice(0)) clearInterval(timer);
      for (const { request } of all) request.done();
    };
    const expectProven = (client: Client, { id, sent }: Answer, end: TerminalRecord): void => {
      const text = client.text(id);
      expect(sent.startsWith(text)).toBe(true);
      expect(end).toMatchObject({
        bytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
      });
      const seqs = client.of(id).flatMap((record) => ('state' in record ? [] : [record.seq]));
      expect(seqs).toEqual(seqs.toSorted((x, y) => x - y));
      expect(new Set(seqs).size).toBe(seqs.length);
      expect(client.of(id).filter((record) => 'state' in record)).toHaveLength(1);
    };
    const expectWhole = async (client: Client, answer: Answer): Promise<void> => {
      const end = await client.ended(answer.id);
      expect(end).toMatchObject({ state: 'completed' });
      expectProven(client, answer, end);
      expect(client.text(answer.id)).toBe(answer.sent);
    };

    it('ends what a killed node ran as interrupted, node_lost, with all that was kept', async () => {
      const [a, b] = await startTwo();
      const all = await answers(a, b);
      await until(() => all.every(({ here, id }) => here.text(id).length > 100));
      await a.program.kill();
      const killedAt = performance.now();
      for (const answer of all) {
        const end = await answer.there.ended(answer.id);
        expect(end).toMatchObject({ state: 'interrupted', code: 'node_lost', retryable: false });
        expectProven(answer.there, answer, end);
        // What its own clients had seen, and nobody had kept, is little.
        const lost = answer.here.text(answer.id).length - answer.there.text(answer.id).length;
        expect(lost).toBeLessThan(400);
        const { body } = await call('GET', `${b.url}/llm/generations/${answer.id}`);
        expect(body).toMatchObject({ state: 'interrupted', text: answer.there.text(answer.id) });
      }
      expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + 2_000 + 10_000);
      // A client that was ahead of what is kept comes back with its own `after`, and gets the end.
      const back = await connect(b);
      for (const { id, here } of all) {
        const after = here.of(id).at(-1)?.seq ?? 0;
        expect(await back.ask('join', { generationId: id, after })).toMatchObject({ ok: true });
        const end = await back.ended(id);
        expect(end).toMatchObject({ state: 'interrupted', code: 'node_lost' });
        expect(back.of(id).every((record) => (record.from ?? record.seq) > after)).toBe(true);
      }
    });

    it('accepts nothing more of a node that was taken for dead and comes back', async () => {
      const [a, b] = await startTwo();
      const all = await answers(a, b, 3);
      await until(() => all.every(({ there, id }) => there.text(id).length > 50));
      a.program.child.kill('SIGSTOP');
      const ends = await Promise.all(all.map(({ there, id }) => there.ended(id)));
      expect(ends.every((end) => 'code' in end && end.code === 'node_lost')).toBe(true);
      const kept = all.map(({ there, id }) => there.text(id));
      a.program.child.kill('SIGCONT');
      // Its own readers go on, and are then told the end.
      for (const { here, id } of all) {
        expect(await here.ended(id)).toMatchObject({ state: 'interrupted', code: 'node_lost' });
      }
      for (const [at, { id }] of all.entries()) {
        const { body } = await call('GET', `${b.url}/llm/generations/${id}`);
        expect(body).toMatchObject({ state: 'interrupted', text: kept[at] });
      }
    });

    it('gives the slots of a killed node to those who wait on others', async () => {
      const [a, b] = await startTwo([], { MAX_CONCURRENT: 2 });
      const all = await answers(a, b, 2);
      // What has begun is not begun anew.
      await until(() => all.every(({ there, id }) => there.text(id) !== ''));
      const waits = await connect(b);
      const { generationId } = await waits.accepted('generate', { prompt: 'waits' });
      await a.program.kill();
      const request = await upstream.nextCall();
      expect(request.body['prompt']).toBe('waits');
      request.text('at last').done();
      expect(await waits.ended(generationId)).toMatchObject({ state: 'completed' });
    });

    it.each([
      ['and comes back empty', []],
      ['and comes back with its append-only file', ['--appendonly', 'yes']],
    ])('goes on where Redis is killed %s', async (_how, options) => {
      const [a, b] = await startTwo(options);
      const all = await answers(a, b, 4);
      await until(() => all.every(({ there, id }) => there.text(id).length > 50));
      await redis.kill();
      const before = all.map(({ here, id }) => here.text(id).length);
      await until(() => all.every(({ here, id }, at) => here.text(id).length > before[at]! + 200));
      const refused = await call('POST', `${a.url}/llm/generate`, {
        prompt: 'x',
        onDisconnect: 'keep',
      });
      expect(refused).toMatchObject({
        status: 503,
        body: { code: 'store_unavailable', retryable: true },
      });
      await until(
        async () => (await call('GET', `${a.url}/health/ready`)).body.status === 'no_store',
      );
      await redis.up();
      await sleep(500);
      finish(all);
      for (const answer of all) {
        await expectWhole(answer.here, answer);
        await expectWhole(answer.there, answer);
      }
      await until(async () => (await call('GET', `${a.url}/health/ready`)).status === 200);
      const [first] = all;
      const { body } = await call('GET', `${b.url}/llm/generations/${first?.id}`);
      expect(body).toMatchObject({ state: 'completed', text: first?.sent });
    });

    it('goes on where Redis stalls', async () => {
      const [a, b] = await startTwo();
      const all = await answers(a, b, 4);
      await until(() => all.every(({ there, id }) => there.text(id).length > 50));
      redis.signal('SIGSTOP');
      const before = all.map(({ here, id }) => here.text(id).length);
      await sleep(3_000);
      expect(all.every(({ here, id }, at) => here.text(id).length > before[at]!)).toBe(true);
      redis.signal('SIGCONT');
      await sleep(500);
      finish(all);
      for (const answer of all) {
        await expectWhole(answer.here, answer);
        await expectWhole(answer.there, answer);
      }
    });

    it('goes on where all connections are cut again and again', async () => {
      const [a, b] = await startTwo();
      const all = await answers(a, b, 4);
      for (let times = 0; times < 15; times++) {
        await redis.ask((client) =>
          client.call('CLIENT', 'KILL', 'TYPE', times % 2 ? 'pubsub' : 'normal'),
        );
        await sleep(200);
      }
      finish(all);
      for (const answer of all) {
        await expectWhole(answer.here, answer);
        await expectWhole(answer.there, answer);
      }
    });
  });
}
