import { startApp } from './app.js';
import { KeysFile } from './credentials.js';
import { Program } from './program.js';
import { call as rest } from './rest.js';
import { ScriptedUpstream, type UpstreamCall } from './scripted-upstream.js';
import { tableIn } from './tables.js';
import { until } from './until.js';

/** What a client asks, and of which server. */
export interface Asking {
  url: string;
  /** More fields of the request, as OpenAI calls them. */
  fields: Record<string, unknown>;
  apiKey: string;
  signal: AbortSignal;
}

/**
 * One client library. @param onText called with what it shows, piece by piece
 * @returns why the answer is over, as the library says it
 */
export type Run = (asking: Asking, onText: (text: string) => void) => Promise<string>;

/** What a way to end is made of. */
interface Way {
  /** The settings of its server. */
  env?: Record<string, string | number>;
  /** The server goes once all clients read: in this process, or, killed, in one of its own. */
  endsServer?: 'closed' | 'killed';
  fields?: Record<string, unknown>;
  /** There is one API key, whose user may ask for so many tokens a day. */
  tokensPerDay?: number;
  /** Before a client asks. */
  before?(stage: Stage): Promise<void>;
  /** The upstream's part, once it is asked; without it the request never gets there. */
  act?(call: UpstreamCall, stage: Omit<Stage, 'close'> & Asked): void | Promise<void>;
}

interface Stage {
  url: string;
  apiKey: string;
  upstream: ScriptedUpstream;
  close: () => Promise<void>;
}

/** One client that asks. */
interface Asked {
  abort: AbortController;
  /** Resolves when it has shown the text. */
  shown: Promise<void>;
}

const TEXT = 'The sky';
/** Most clients of one table. */
const MOST_CLIENTS = 16;
const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const text = (call: UpstreamCall): UpstreamCall => call.text(TEXT);
const idNow = async (url: string): Promise<string> => {
  const { body } = await rest('GET', `${url}/admin/generations`);
  return (body.generations as { generationId: string }[])[0]!.generationId;
};

/** Every way that an answer can end, by its name in the table of docs/doors.md. */
const WAYS: Record<string, Way> = {
  completed: { act: (call) => text(call).done() },
  'completed by its length': { act: (call) => text(call).done({ done_reason: 'length' }) },
  'completed with tool calls': {
    fields: { tools },
    act: (call) => {
      const function_ = { name: 'weather', arguments: { city: 'Oslo' } };
      const message = { role: 'assistant', content: TEXT, tool_calls: [{ function: function_ }] };
      call.line({ message, done: false }).done();
    },
  },
  'cancelled by the client itself': {
    // Where a closed connection is no cancel.
    env: { ABANDON_AFTER_MS: 100 },
    act: async (call, stage) => {
      text(call);
      await stage.shown;
      stage.abort.abort();
      await call.closed;
    },
  },
  'cancelled by somebody else': {
    act: async (call, stage) => {
      text(call);
      await stage.shown;
      await rest('DELETE', `${stage.url}/llm/generations/${await idNow(stage.url)}`);
    },
  },
  'failed before the first token': {
    act: (call) => call.json(404, { error: "model 'llama3.2' not found" }),
  },
  'failed after the first token': {
    act: async (call, stage) => {
      text(call);
      await stage.shown;
      call.line({ error: 'an error was encountered while running the model' }).end();
    },
  },
  'truncated by the upstream': {
    act: async (call, stage) => {
      text(call);
      await stage.shown;
      call.reset();
    },
  },
  'interrupted: the server goes down': {
    endsServer: 'closed',
    act: (call, { shown }) => {
      text(call);
      return shown;
    },
  },
  'the server is lost': {
    endsServer: 'killed',
    act: (call, { shown }) => {
      text(call);
      return shown;
    },
  },
  'the upstream falls silent': {
    env: { IDLE_TIMEOUT_MS: 300 },
    act: (call) => void text(call),
  },
  'took longer than is allowed': {
    env: { GENERATION_TIMEOUT_MS: 300 },
    act: (call) => void text(call),
  },
  'the upstream does not begin': { env: { FIRST_BYTE_TIMEOUT_MS: 100 }, act: () => undefined },
  'waited too long in line': {
    env: { MAX_CONCURRENT: 1, QUEUE_TIMEOUT_MS: 200 },
    before: occupied,
  },
  'the line is full': { env: { MAX_CONCURRENT: 1, MAX_QUEUE: 0 }, before: occupied },
  'refused: a field that is not served': { fields: { n: 2 } },
  'refused: the quota is used up': { tokensPerDay: 10_000, before: occupied },
};

/** Somebody else has the only slot. */
async function occupied({ url, upstream, apiKey }: Stage): Promise<void> {
  const body = { prompt: 'x', onDisconnect: 'keep' };
  await rest('POST', `${url}/llm/generate`, body, { authorization: `Bearer ${apiKey}` });
  await until(() => upstream.calls.length === 1);
}

/** What the program that uses a client has seen: the text, and how it ended. */
interface Seen {
  text: string;
  end: string;
}

async function seenBy(run: Run, asking: Asking, onText: (text: string) => void): Promise<Seen> {
  let text = '';
  try {
    const end = await run(asking, (piece) => {
      text += piece;
      onText(text);
    });
    return { text, end };
  } catch (error) {
    return { text, end: `throws ${nameOf(error)}` };
  }
}

/** The status and our code where the library tells them, else what kind of error it is. */
function nameOf(error: unknown): string {
  const { status, status_code, code, name, message } = error as Record<string, unknown>;
  const [, said = code] = /\((\w+)\)$/.exec(String(message)) ?? [];
  if (typeof said === 'string') return [status ?? status_code, said].filter(Boolean).join(' ');
  return /abort/i.test(`${String(name)} ${String(message)}`) ? 'abort' : 'connection';
}

/**
 * Runs every client through every way to end, and compares with a table of docs/doors.md.
 * @param section where the table is
 * @param whole clients that show nothing before the end
 */
export function describeEnds(
  section: string,
  clients: Readonly<Record<string, Run>>,
  whole: readonly string[] = [],
): void {
  const [[, ...columns] = [], ...rows] = tableIn('docs/doors.md', section);
  const truth = new Map(rows.map(([way = '', ...cells]) => [way, cells]));

  it('the table has every way to end, and every client', () => {
    expect([...truth.keys()]).toEqual(Object.keys(WAYS));
    expect(columns).toEqual(Object.keys(clients));
  });

  /** For all ways that need nothing of their own. */
  let plain: Stage | undefined;
  afterAll(() => closed(plain));

  describe.each(Object.entries(WAYS))('%s', (name, way) => {
    const { env, endsServer, tokensPerDay } = way;
    const settings = [env, endsServer, tokensPerDay];
    const isPlain = way.before === undefined && settings.every((one) => one === undefined);
    let own: Stage | undefined;
    const open = async (): Promise<Stage> =>
      isPlain ? (plain ??= await openStage(way)) : (own ??= await openStage(way));
    afterAll(() => closed(own));

    /** Asks, and plays the upstream's part. @returns what the client sees, once it has ended */
    const ask = async (client: string, run: Run): Promise<() => Promise<Seen>> => {
      const { url, upstream, apiKey } = await open();
      const abort = new AbortController();
      let show = (): void => undefined;
      const shown = new Promise<void>((resolve) => (show = resolve));
      const before = upstream.calls.length;
      const asking: Asking = { url, fields: way.fields ?? {}, apiKey, signal: abort.signal };
      const seeing = seenBy(run, asking, (said) => {
        if (said === TEXT) show();
      });
      if (way.act !== undefined) {
        await until(() => upstream.calls.length > before);
        // It sees the text only with the end: the server has it when it streams.
        if (whole.includes(client)) whenStreaming(url).then(show, () => undefined);
        await way.act(upstream.calls[before]!, { url, apiKey, upstream, abort, shown });
      }
      return () => seeing;
    };
    const judge = (client: string, { end, text }: Seen): void => {
      const expected = truth.get(name)?.[columns.indexOf(client)];
      expect([client, end]).toEqual([client, expected?.replaceAll('`', '')]);
      if (!/^(throws|error)/.test(end)) expect([client, text]).toEqual([client, TEXT]);
    };

    if (way.endsServer === undefined) {
      it.each(Object.entries(clients))('%s', async (client, run) => {
        const seen = await ask(client, run);
        judge(client, await seen());
      });
    } else {
      it(columns.join(', '), async () => {
        const seeing = new Map<string, () => Promise<Seen>>();
        for (const [client, run] of Object.entries(clients)) {
          seeing.set(client, await ask(client, run));
        }
        await own?.close();
        for (const [client, seen] of seeing) judge(client, await seen());
      });
    }
  });
}

async function closed(stage: Stage | undefined): Promise<void> {
  await stage?.close();
  await stage?.upstream.close();
}

async function openStage(way: Way): Promise<Stage> {
  const upstream = await ScriptedUpstream.start();
  const env: Record<string, string | number> = {
    OLLAMA_BASE_URL: upstream.url,
    // The slot of a request that did not begin is held back.
    MAX_CONCURRENT: MOST_CLIENTS,
    ...way.env,
  };
  let apiKey = 'none';
  if (way.tokensPerDay !== undefined) {
    const file = new KeysFile();
    apiKey = file.add('k1', { tenant: 'shop', limits: { tokensPerDay: way.tokensPerDay } });
    Object.assign(env, { API_KEYS_FILE: file.path, MAX_TOKENS: way.tokensPerDay - 1_000 });
  }
  let server: { url: string; close(): Promise<void> };
  if (way.endsServer === 'killed') {
    const program = Program.server(env);
    server = { ...(await program.listening()), close: () => program.kill() };
  } else server = await startApp(env);
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await server.close();
    isOpen = false;
  };
  const stage = { url: server.url, apiKey, upstream, close };
  await way.before?.(stage);
  return stage;
}

/** Resolves when all generations of a server have text. */
async function whenStreaming(url: string): Promise<void> {
  await until(async () => {
    const { body } = await rest('GET', `${url}/admin/generations`);
    const states = (body.generations as { state: string }[]).map(({ state }) => state);
    return states.length > 0 && states.every((state) => state === 'streaming');
  });
}
