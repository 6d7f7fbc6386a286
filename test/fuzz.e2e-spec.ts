import { setTimeout as sleep } from 'node:timers/promises';
import type { Decoder } from '../src/cast/decoding/decoder.js';
import { OllamaDecoder } from '../src/cast/ollama/answer.js';
import { OpenAiDecoder } from '../src/cast/openai/answer.js';
import type { Part } from '../src/cast/part.js';
import { PullDecoder } from '../src/cast/ollama/pull-answer.js';
import { CastError } from '../src/protocol/errors.js';
import type { QueueView } from '../src/protocol/answers.js';
import { streamRecord } from '../src/protocol/records.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { OpenAiUpstream } from './support/openai-upstream.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';
import { type WireCase, wireCases } from './support/wire-case.js';

/** `FUZZ_SEED=7 npm test fuzz` begins elsewhere; a failure names its own seed. */
const FIRST_SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const seeds = (count: number): number[] => Array.from({ length: count }, (_, n) => FIRST_SEED + n);

/** The longest ones are long by repetition: a mutation of them says nothing new and takes long. */
const MOST_BYTES = 20_000;
const bytesOf = (wire: WireCase): Buffer =>
  Buffer.concat(
    wire.fragments.map((fragment) => {
      if ('b64' in fragment) return Buffer.from(fragment.b64, 'base64');
      if ('text' in fragment) return Buffer.from(fragment.text);
      return Buffer.from(fragment.repeat.repeat(fragment.times));
    }),
  );
const sources = (...cases: WireCase[][]): Buffer[] =>
  cases
    .flat()
    .filter(({ status }) => status === 200)
    .map(bytesOf)
    .filter(({ length }) => length > 0 && length <= MOST_BYTES);

const ndjson = sources(wireCases('ndjson', '/api/generate', '/api/chat'));
const pulls = sources(wireCases('ndjson', '/api/pull'));
const sse = sources(wireCases('sse', '/v1/chat/completions'));

/** A small generator of numbers that repeats: mulberry32. `int(n)` is 0 to n - 1. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** What stands where it should not, in either protocol. */
const ODDITIES = [
  '\n',
  '\r',
  '\n\n',
  '"',
  '\\',
  '{',
  ']',
  'null',
  '9'.repeat(30),
  '\u0000',
  '\\ud83d',
];
const MUTATIONS: ((bytes: Buffer, int: (below: number) => number, other: Buffer) => Buffer)[] = [
  (bytes, int) => {
    const flipped = Buffer.from(bytes);
    const at = int(bytes.length);
    flipped[at] = flipped[at]! ^ (1 << int(8));
    return flipped;
  },
  (bytes, int) => {
    const at = int(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + int(20))]);
  },
  (bytes, int) => {
    const at = int(bytes.length);
    const odd = Buffer.from(ODDITIES[int(ODDITIES.length)]!);
    return Buffer.concat([bytes.subarray(0, at), odd, bytes.subarray(at)]);
  },
  (bytes, int) => {
    const at = int(bytes.length);
    const size = int(200);
    return Buffer.concat([bytes.subarray(0, at + size), bytes.subarray(at)]);
  },
  (bytes, int) => bytes.subarray(0, int(bytes.length)),
  (bytes, int, other) =>
    Buffer.concat([bytes.subarray(0, int(bytes.length)), other.subarray(int(other.length))]),
];

function mutant(from: readonly Buffer[], int: (below: number) => number): Buffer {
  let bytes = from[int(from.length)]!;
  for (let times = 1 + int(4); times > 0 && bytes.length > 0; times--) {
    bytes = MUTATIONS[int(MUTATIONS.length)]!(bytes, int, from[int(from.length)]!);
  }
  return bytes;
}

function pieces(bytes: Buffer, int: (below: number) => number, most: number): Buffer[] {
  const cuts = Array.from({ length: int(most) }, () => int(bytes.length + 1));
  const ends = [...cuts.sort((a, b) => a - b), bytes.length];
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe('whatever bytes an upstream sends', () => {
  const kinds: [string, readonly Buffer[], () => Decoder<Part>][] = [
    ['Ollama', ndjson, () => new OllamaDecoder(4096)],
    ['a pull', pulls, () => new PullDecoder(4096)],
    ['an OpenAI-compatible server', sse, () => new OpenAiDecoder(4096)],
  ];

  /** What is wrong with how the decoder took these bytes; nothing, if nothing is. */
  function faultOf(decoder: Decoder<Part>, given: readonly Buffer[]): string | undefined {
    const parts: Part[] = [];
    let refusal: unknown;
    try {
      for (const piece of given) if (!decoder.done) decoder.push(piece, parts);
      if (!decoder.done) decoder.end(parts);
    } catch (error) {
      if (!decoder.done) refusal = error;
    }
    const ends = parts.filter(({ type }) => type === 'done').length;
    if (refusal === undefined) {
      if (ends !== 1 || parts.at(-1)?.type !== 'done') return `${ends} ends, and no refusal`;
    } else {
      if (!(refusal instanceof CastError)) return (refusal as Error).stack;
      if (refusal.code === 'internal') return 'our own mistake';
      if (ends > 0) return 'refused behind its end';
    }
    return parts.some((part) => 'text' in part && part.text === '') ? 'an empty part' : undefined;
  }

  it.each(kinds)(
    `from %s, the decoder ends with one end or one error of the contract (seeds from ${FIRST_SEED})`,
    (_kind, from, create) => {
      const faults = seeds(3000).flatMap((seed) => {
        const int = random(seed);
        const fault = faultOf(create(), pieces(mutant(from, int), int, 12));
        return fault === undefined ? [] : [{ seed, fault }];
      });
      expect(faults).toEqual([]);
    },
  );
});

describe('whatever bytes an upstream sends, through the whole server', () => {
  const GENERATIONS = 40;
  let ollama: ScriptedUpstream;
  let openAi: OpenAiUpstream;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    ollama = await ScriptedUpstream.start();
    openAi = await OpenAiUpstream.start();
    app = await startApp({
      OLLAMA_BASE_URL: ollama.url,
      OPENAI_BASE_URL: openAi.url,
      MAX_CONCURRENT: '40,40',
      FIRST_BYTE_TIMEOUT_MS: 700,
      IDLE_TIMEOUT_MS: 700,
      MAX_LINE_BYTES: 4096,
    });
    client = await Client.connect(app.socketUrl);
    await call('GET', `${app.url}/llm/models`);
  });
  afterAll(async () => {
    client?.close();
    await app?.close();
    await ollama?.close();
    await openAi?.close();
  });

  /** Each request has its bytes from its own prompt, which is the seed: a retry gets the same. */
  async function answer(request: UpstreamCall, from: readonly Buffer[]): Promise<void> {
    const [message] = (request.body['messages'] ?? []) as { content: string }[];
    const int = random(Number(request.body['prompt'] ?? message?.content));
    for (const piece of pieces(mutant(from, int), int, 5)) {
      if (!request.isOpen) return;
      request.write(piece);
      await sleep(int(10));
    }
    const end = int(10);
    if (end === 0) request.reset();
    else if (end > 1) request.end();
  }

  it.each<[string, 'llama3.2' | 'gpt-demo', readonly Buffer[]]>([
    ['Ollama', 'llama3.2', ndjson],
    ['an OpenAI-compatible server', 'gpt-demo', sse],
  ])(
    `from %s, each generation ends with exactly one terminal record (seeds from ${FIRST_SEED})`,
    async (_kind, model, from) => {
      const { calls } = model === 'llama3.2' ? ollama : openAi;
      const ids = await Promise.all(
        seeds(GENERATIONS).map(async (seed) => {
          const ack = await client.ask('generate', { model, prompt: String(seed) });
          return ack.ok ? { seed, id: ack.generationId } : { seed, id: ack.error.code };
        }),
      );
      let answered = 0;
      await client.until(() => {
        while (answered < calls.length) void answer(calls[answered++]!, from);
        return ids.every(({ id }) => client.of(id).some((record) => 'state' in record));
      });
      // A round trip: whatever was sent behind a terminal record is here now.
      await client.ask('leave', { generationId: ids[0]!.id });

      const faults = ids.flatMap(({ seed, id }) => {
        const records = client.of(id);
        const terminal = records.at(-1)!;
        const isWhole =
          records.every((record, index) => record.seq === index + 1) &&
          records.filter((record) => 'state' in record).length === 1 &&
          'state' in terminal &&
          records.every((record) => streamRecord.safeParse(record).success);
        const isOurs = 'code' in terminal && terminal.code === 'internal';
        return isWhole && !isOurs ? [] : [{ seed, terminal }];
      });
      expect(faults).toEqual([]);
      // A slot is given back when the upstream is done with it, which may be behind the terminal record.
      await until(async () => {
        const { waiting, upstreams } = (await call('GET', `${app.url}/llm/queue`))
          .body as QueueView;
        return waiting === 0 && upstreams.every(({ running }) => running === 0);
      });
    },
  );
});
