import { aiSdk } from '../src/conformance/ai-sdk.js';
import { grade } from '../src/conformance/grade.js';
import { ollama } from '../src/conformance/ollama.js';
import { openAi } from '../src/conformance/openai.js';
import { POINTS } from '../src/conformance/points.js';
import type { Protocol, ProtocolName } from '../src/conformance/protocol.js';
import { ScriptedUpstream } from '../src/conformance/scripted-upstream.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { BadGateway, type Wrong } from './support/bad-gateway.js';
import { freePort } from './support/free-port.js';
import { Program } from './support/program.js';
import { tableIn } from './support/tables.js';
import { PATIENCE_MS, within } from './support/until.js';

const NAMES = ['openai', 'ollama', 'ai-sdk'] as const;
const PROTOCOLS: Record<ProtocolName, Protocol> = { openai: openAi, ollama, 'ai-sdk': aiSdk };
/** A little longer than the time in which llm-cast says something on each stream. */
const SILENCE_S = 16;

describe('llm-cast conformance', () => {
  const run = async (args: readonly string[]) => {
    const command = Program.run('cli.js', ['conformance', ...args]);
    const code = await command.exited;
    return { code, stdout: command.stdout, stderr: command.stderr };
  };

  it('llm-cast fulfils every point, before an Ollama and before an OpenAI-compatible server', async () => {
    const grades = NAMES.flatMap((protocol) => [
      [protocol, 'OLLAMA_BASE_URL', ''] as const,
      [protocol, 'OPENAI_BASE_URL', '/v1'] as const,
    ]).map(async ([protocol, setting, path]) => {
      const port = await freePort();
      const app = await startApp({
        ...(setting === 'OPENAI_BASE_URL' && { OLLAMA_BASE_URL: '', OPENAI_MODEL: 'conformance' }),
        [setting]: `http://127.0.0.1:${port}${path}`,
        MAX_CONCURRENT: 4,
      });
      const args = ['--protocol', protocol, '--upstream-port', `${port}`, '--json'];
      const done = await run([...args, '--silence', `${SILENCE_S}`, app.url]);
      await app.close();
      const points = done.stdout.trim().split('\n');
      return { ...done, points: points.map((line) => JSON.parse(line) as { status: string }) };
    });
    for (const { code, points, stderr } of await Promise.all(grades)) {
      expect(points.filter(({ status }) => status === 'failed')).toEqual([]);
      expect(points.filter(({ status }) => status === 'ok').length).toBeGreaterThan(12);
      expect(points).toHaveLength(POINTS.length);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
  });

  it('ends with 1 where nothing is right, and says what was seen', async () => {
    const gateway = await BadGateway.start('', {
      answers: () => ({ status: 200, body: 'Welcome!' }),
    });
    const { code, stdout } = await run(['--upstream-port', `${await freePort()}`, gateway.url]);
    await gateway.close();
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^failed {3}framing +a stream has .*\n +no end mark: HTTP 200, "Welcome!"/m,
    );
    expect(stdout).toMatch(/\n0 ok, 18 failed, 0 skipped\n$/);
  });

  it('ends at Ctrl-C, also while it waits for a silence to end', async () => {
    const port = await freePort();
    const app = await startApp({ OLLAMA_BASE_URL: `http://127.0.0.1:${port}` });
    const args = ['--upstream-port', `${port}`, '--silence', '3600', app.url];
    const command = Program.run('cli.js', ['conformance', ...args]);
    try {
      await command.said(/^ok +not-streamed /m);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      command.child.kill('SIGINT');
      expect(await within(PATIENCE_MS, command.exited)).toBe(130);
      expect(command.stderr).toBe('llm-cast: cancelled\n');
    } finally {
      await command.kill();
      await app.close();
    }
  });

  it.each([
    [['http://localhost:1'], 2, '--upstream-port must be a whole number from 1 to 65535.'],
    [['--upstream-port', '1'], 2, 'Name one URL.'],
    [['--upstream-port', '9', '--protocol', 'smtp', 'http://localhost:1'], 2, '--protocol must be'],
    [['--upstream-port', '9', '--silence', '0', 'http://localhost:1'], 2, '--silence must be'],
    [['--upstream-port', '9', '--upstream-host', '192.0.2.1', 'http://a'], 1, 'EADDRNOTAVAIL'],
  ])('%j: %i', async (args, expected, sentence) => {
    const { code, stderr } = await run(args);
    expect({ code, stderr }).toEqual({ code: expected, stderr: expect.stringContaining(sentence) });
  });

  it('its points are those of docs/conformance.md', () => {
    const [, ...rows] = tableIn('docs/conformance.md', 'points');
    expect(rows.map(([id, title]) => [id, title])).toEqual(
      POINTS.map(({ id, title }) => [`\`${id}\``, title]),
    );
  });
});

const dropping = (part: string): Wrong => ({
  piece: (piece) => (piece.includes(part) ? '' : piece),
});
const replacing = (part: string, by: string): Wrong => ({
  piece: (piece) => piece.replaceAll(part, by),
});
const replaced = (point: string, part: string, by: string): [string, string, Wrong] => [
  point,
  `${part} becomes ${by}`,
  replacing(part, by),
];
const dropped = (point: string, part: string): [string, string, Wrong] => [
  point,
  `no ${part}`,
  dropping(part),
];
const silent = dropping('"error"');
const good: Wrong = { status: () => 200, piece: () => '' };
const noStop: Wrong = {
  keepsReading: true,
  answers: (_method, path) => (path.endsWith('/stop') ? { status: 200, body: '{}' } : undefined),
};

/** What is wrong everywhere: by point, in words, what the gateway does. */
const EVERYWHERE: [string, string, Wrong][] = [
  replaced('text', 'ø', 'o'),
  ['immediacy', 'everything comes at the end', { holds: true }],
  ['length', 'length becomes stop', replacing('"length"', '"stop"')],
  [
    'upstream-refuses',
    'an error becomes an empty answer',
    { ...good, ...silent, status: () => 200 },
  ],
  ['bad-request', 'a refusal is 200', { status: () => 200 }],
  ['bad-request', 'a refusal says nothing', { piece: () => '' }],
  ...['cut', 'silent-end', 'error'].map((point): [string, string, Wrong] => [
    point,
    'no error, a clean end',
    silent,
  ]),
  ['stop', 'the upstream is asked on', noStop],
  ['stop-before-first', 'the upstream is asked on', noStop],
];
const list = (body: object): Wrong => ({
  answers: (method) => (method === 'GET' ? { status: 200, body: JSON.stringify(body) } : undefined),
});
const again: Wrong = { path: (path) => path.replace(/(starting_after|startIndex)=\d+/, '$1=0') };
const WRONG: Record<ProtocolName, [string, string, Wrong][]> = {
  openai: [
    ...EVERYWHERE,
    ['models', 'an empty list', list({ object: 'list', data: [] })],
    dropped('framing', '[DONE]'),
    dropped('framing', '"finish_reason":"stop"'),
    replaced('framing', 'chat.completion.chunk', 'chunk'),
    replaced('framing', '"index":0', '"index":1'),
    ['framing', 'no content type', { without: 'content-type' }],
    [
      'framing',
      'an event named error',
      { piece: (piece) => piece.replace(/^data/, 'event: error\ndata') },
    ],
    [
      'framing',
      'other ids',
      { piece: (piece) => piece.replace(/chatcmpl-[\w-]+/, () => `c${Math.random()}`) },
    ],
    replaced('usage', '"prompt_tokens":17', '"prompt_tokens":1'),
    dropped('usage', '"choices":[],'),
    dropped('tool-calls', 'tool_calls":[{'),
    replaced('tool-calls', '"name":"weather"', '"nom":"weather"'),
    replaced('not-streamed', 'ø', 'o'),
    ['cut-not-streamed', 'an error becomes an answer', good],
    [
      'error',
      '[DONE] in place of the error',
      { piece: (piece) => (piece.includes('"error"') ? 'data: [DONE]\n\n' : piece) },
    ],
    dropped('keep-alive', ': still here'),
    ['resume', 'all is repeated', again],
  ],
  ollama: [
    ...EVERYWHERE,
    ['models', 'an empty list', list({ models: [] })],
    dropped('framing', '"done":true'),
    replaced('framing', '"done":false', '"end":false'),
    ['framing', 'no content type', { without: 'content-type' }],
    ['framing', 'lines are repeated', { piece: (piece) => piece + piece }],
    replaced('usage', '"prompt_eval_count":17', '"prompt_eval_count":1'),
    dropped('tool-calls', 'tool_calls'),
    replaced('not-streamed', 'ø', 'o'),
    ['cut-not-streamed', 'an error becomes an answer', good],
    ['keep-alive', 'silence is cut', { ...dropping('"content":""'), cutsSilenceMs: 6_000 }],
  ],
  'ai-sdk': [
    ...EVERYWHERE,
    dropped('framing', '[DONE]'),
    dropped('framing', '"type":"finish"'),
    dropped('framing', 'text-start'),
    replaced('framing', 'start-step', 'step'),
    ['framing', 'no header of its own', { without: 'x-vercel-ai-ui-message-stream' }],
    dropped('tool-calls', 'tool-input-available'),
    dropped('keep-alive', ': still here'),
    ['resume', 'all is repeated', again],
  ],
};
/** What is unusual: in words, at which point, what the gateway does, and how that is graded. */
const ODD: Record<ProtocolName, [string, string, Wrong, 'ok' | 'failed'][]> = {
  openai: [
    [
      'no tool calls in a chunk are null, as some servers write it',
      'framing',
      replacing('"delta":{"', '"delta":{"tool_calls":null,"'),
      'ok',
    ],
    [
      'no tool calls in a body are null, as LiteLLM writes it',
      'not-streamed',
      replacing('"message":{', '"message":{"tool_calls":null,'),
      'ok',
    ],
    [
      'choices that no client can read',
      'framing',
      replacing('"delta":{', '"delta":7,"d":{'),
      'failed',
    ],
    [
      'a choice that is null',
      'immediacy',
      replacing('"choices":[{', '"choices":[null,{'),
      'failed',
    ],
    [
      'choices that are no list',
      'not-streamed',
      replacing('"choices":[', '"choices":7,"c":['),
      'failed',
    ],
    ['a list that is no list', 'models', list({ data: {} }), 'failed'],
    ['a list with an entry that is null', 'models', list({ data: [null] }), 'failed'],
  ],
  ollama: [
    [
      'a message that is null',
      'framing',
      replacing('"message":{', '"message":null,"m":{'),
      'failed',
    ],
    ['a list that is no list', 'models', list({ models: {} }), 'failed'],
  ],
  'ai-sdk': [
    ['a type that is no text', 'framing', replacing('"type":"start-step"', '"type":7'), 'failed'],
  ],
};
/** Points whose fault shows after a time only: they are examined at one time. */
const SLOW = new Set(['stop', 'stop-before-first', 'keep-alive', 'immediacy']);

describe('a bad server', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  beforeAll(async () => {
    upstream = await ScriptedUpstream.listen(0, '127.0.0.1', 'conformance');
    app = await startApp({
      OLLAMA_BASE_URL: `http://127.0.0.1:${upstream.port}`,
      MAX_CONCURRENT: 64,
    });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  /** What the examination finds through a gateway: the status of each point, by its id. */
  async function graded(name: ProtocolName, wrong: Wrong, ids: (id: string) => boolean) {
    const gateway = await BadGateway.start(app.url, wrong);
    const protocol = PROTOCOLS[name];
    const url = `${gateway.url}${protocol.usualPath}`;
    const silenceMs = SILENCE_S * 1000;
    const examined = { url, protocol, model: 'conformance', token: undefined, silenceMs };
    const points = POINTS.filter(({ id }) => ids(id));
    const statuses: Record<string, string> = {};
    for await (const { id, status } of grade(
      examined,
      upstream,
      points,
      new AbortController().signal,
    )) {
      statuses[id] = status;
    }
    await gateway.close();
    return statuses;
  }

  describe.each(NAMES)('%s', (name) => {
    it('every point that applies is seen red', () => {
      const red = new Set(WRONG[name].map(([id]) => id));
      const applying = POINTS.filter((point) => point.skips?.(PROTOCOLS[name]) === undefined);
      expect(applying.filter(({ id }) => !red.has(id)).map(({ id }) => id)).toEqual([]);
    });

    it('a gateway that passes all on is good', async () => {
      const statuses = await graded(name, {}, (id) => id !== 'keep-alive');
      expect(Object.entries(statuses).filter(([, status]) => status === 'failed')).toEqual([]);
    });

    it.each(ODD[name])('%s', async (_what, id, wrong, status) => {
      expect(await graded(name, wrong, (one) => one === id)).toEqual({ [id]: status });
    });

    it.each(WRONG[name].filter(([id]) => !SLOW.has(id)))('%s: %s', async (id, _what, wrong) => {
      expect(await graded(name, wrong, (one) => one === id)).toEqual({ [id]: 'failed' });
    });
  });

  it('of which the fault shows after a time is found, too', async () => {
    const cases = NAMES.flatMap((name) =>
      WRONG[name]
        .filter(([id]) => SLOW.has(id))
        .map(async ([id, , wrong]) => [
          name,
          id,
          (await graded(name, wrong, (one) => one === id))[id],
        ]),
    );
    const found = await Promise.all(cases);
    expect(found.filter(([, , status]) => status !== 'failed')).toEqual([]);
    expect(found).toHaveLength(12);
  });
});
