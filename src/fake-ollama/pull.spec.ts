import { type FakeOllama, startFakeOllama } from './server.js';
import type { FakeOllamaOptions } from './switches.js';

interface Line {
  status?: string;
  digest?: string;
  total?: number;
  completed?: number;
  error?: string;
}

const MEGABYTES = 1e6;

let fake: FakeOllama;
const start = async (options: FakeOllamaOptions = {}): Promise<void> => {
  fake = await startFakeOllama({ port: 0, pullRate: 0, rate: 0, ...options });
};
afterEach(() => fake.close());

const post = (path: string, body: object, signal?: AbortSignal) =>
  fetch(`${fake.url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });

async function pull(body: object) {
  const response = await post('/api/pull', body);
  const type = response.headers.get('content-type');
  const lines = (await response.text())
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
  return { status: response.status, type, lines };
}

async function names(): Promise<string[]> {
  const { models } = (await (await fetch(`${fake.url}/api/tags`)).json()) as {
    models: { name: string }[];
  };
  return models.map(({ name }) => name);
}

/** Reads a pull until its first layer has begun to come, and leaves. Returns what had come. */
async function leaveInTheMiddle(body: object): Promise<number> {
  const leaving = new AbortController();
  const response = await post('/api/pull', body, leaving.signal);
  let text = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const [, completed] = /"completed":(\d+)/.exec(text) ?? [];
    if (completed === undefined) continue;
    leaving.abort();
    return Number(completed);
  }
  throw new Error('the pull has ended');
}

describe('a pull', () => {
  it('goes through manifest, layers, digest and success, and then the model is there', async () => {
    await start();
    expect(await names()).not.toContain('llama3.2:latest');
    const { status, type, lines } = await pull({ model: 'llama3.2' });
    expect([status, type]).toEqual([200, 'application/x-ndjson']);

    const layers = lines.filter(({ digest }) => digest !== undefined);
    const digests = [...new Set(layers.map(({ digest }) => digest))];
    expect(digests.length).toBeGreaterThan(2);
    const expected = digests.flatMap((digest) => {
      const { total } = layers.find((line) => line.digest === digest)!;
      const line = { status: `pulling ${digest!.slice(7, 19)}`, digest, total };
      // The first has no `completed`, because Ollama leaves out a zero.
      return [line, { ...line, completed: total }];
    });
    expect(lines).toEqual([
      { status: 'pulling manifest' },
      ...expected,
      { status: 'verifying sha256 digest' },
      { status: 'writing manifest' },
      { status: 'success' },
    ]);
    expect(digests[0]).toMatch(/^sha256:[0-9a-f]{64}$/);

    expect(await names()).toContain('llama3.2:latest');
    const said = (model: string) => post('/api/generate', { model, prompt: 'hi', stream: false });
    const answers = (await Promise.all(
      ['demo', 'LLAMA3.2:latest'].map(async (model) => (await said(model)).json()),
    )) as { response: string }[];
    expect(answers[1]!.response).toBe(answers[0]!.response);
  });

  it('takes the time that its rate says, and tells how far it is', async () => {
    await start({ pullRate: 4_000 });
    const begun = performance.now();
    const { lines } = await pull({ model: 'qwen3:8b' });
    const seconds = (performance.now() - begun) / 1000;
    const { digest, total = 0 } = lines.find((line) => line.digest !== undefined)!;
    expect(seconds).toBeGreaterThan(total / (4_000 * MEGABYTES));
    const steps = lines.filter((line) => line.digest === digest);
    const completed = steps.map((line) => line.completed ?? 0);
    expect(completed.length).toBeGreaterThan(3);
    expect(completed).toEqual(completed.toSorted((one, other) => one - other));
    expect(completed.at(-1)).toBe(total);
  });

  it('that is left goes on where it was', async () => {
    await start({ pullRate: 2_000 });
    const came = await leaveInTheMiddle({ model: 'llama3.2' });
    expect(await names()).not.toContain('llama3.2:latest');
    const { lines } = await pull({ model: 'llama3.2' });
    const first = lines.find(({ digest }) => digest !== undefined);
    expect(first?.completed).toBeGreaterThanOrEqual(came);
    expect(lines.at(-1)).toEqual({ status: 'success' });
  });

  it('of a model that nobody has is status 200 and an error line', async () => {
    await start();
    expect(await pull({ name: 'nobody/has-it' })).toEqual({
      status: 200,
      type: 'application/x-ndjson',
      lines: [
        { status: 'pulling manifest' },
        { error: 'pull model manifest: file does not exist' },
      ],
    });
    expect(await names()).not.toContain('nobody/has-it:latest');
  });

  it.each<[string, number, Line]>([
    ['llama3.2', 200, { status: 'success' }],
    ['nobody', 500, { error: 'pull model manifest: file does not exist' }],
  ])('with stream:false answers %s at its end, with %i', async (model, status, line) => {
    await start();
    const answer = await pull({ model, stream: false });
    expect(answer).toMatchObject({ status, lines: [line] });
    expect(answer.type).toContain('application/json');
  });

  it.each(['', 'a b', 'a:b:c'])('of %j is refused', async (model) => {
    await start();
    expect(await pull({ model })).toMatchObject({
      status: 400,
      lines: [{ error: 'invalid model name' }],
    });
  });

  it('offers the models that its library switch names', async () => {
    await start({ library: ['acme/tiny:1b'] });
    expect((await pull({ model: 'llama3.2' })).lines.at(-1)).toHaveProperty('error');
    expect((await pull({ model: 'ACME/Tiny:1b' })).lines.at(-1)).toEqual({ status: 'success' });
    expect(await names()).toContain('acme/tiny:1b');
  });
});

it('a model answers as its option says, from all that the user has said', async () => {
  await start({ answer: (asked) => asked.join(' + ') });
  const messages = [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'not this' },
    { role: 'user', content: 'two' },
  ];
  const response = await post('/api/chat', { model: 'demo', messages, stream: false });
  const { message } = (await response.json()) as {
    message: { content: string };
  };
  expect(message.content).toBe('one + two');
});
