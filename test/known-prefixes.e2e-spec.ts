import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { call } from './support/rest.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';

interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

const LONG = 'word '.repeat(1_000);
/** What the upstreams say that reading a long question took, in nanoseconds: it is never waited for. */
const A_MINUTE = { prompt_eval_duration: 60e9 };

describe('a conversation among several upstreams', () => {
  let upstreams: [ScriptedUpstream, ScriptedUpstream];
  let app: RunningServer;
  let client: Client;

  beforeEach(async () => {
    upstreams = await Promise.all([ScriptedUpstream.start(), ScriptedUpstream.start()]);
  });
  afterEach(async () => {
    client?.close();
    await app?.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });

  const start = async (env: Record<string, string | number> = {}): Promise<void> => {
    app = await startApp({ OLLAMA_BASE_URL: upstreams.map(({ url }) => url).join(), ...env });
    client = await Client.connect(app.socketUrl);
    await call('GET', `${app.url}/llm/models`);
  };
  const accepted = (messages: Message[]) => client.accepted('chat', { messages });
  const user = (content: string): Message => ({ role: 'user', content });
  const ask = async (messages: Message[]): Promise<string> =>
    (await accepted(messages)).generationId;
  let others = 0;
  const busy = (): Promise<string> => ask([user(`another question: ${++others}`)]);
  /** Answers as a server does for which the prompt is new. */
  const answer = async (
    upstream: ScriptedUpstream,
    id: string,
    read: Record<string, unknown> = A_MINUTE,
  ): Promise<UpstreamCall> => {
    const asked = await upstream.nextCall();
    asked.text('An ').text('answer. ').done(read);
    await client.ended(id);
    return asked;
  };
  const upstreamOf = (id: string): string | undefined =>
    client.states.findLast(({ generationId }) => generationId === id)?.upstream;

  /** A first turn on the second upstream, as the first one is busy. @returns the messages of the next */
  const firstTurn = async (
    read: Record<string, unknown> = A_MINUTE,
    question = LONG,
  ): Promise<Message[]> => {
    const other = await busy();
    const id = await ask([user(question)]);
    await answer(upstreams[1], id, read);
    await answer(upstreams[0], other);
    // As clients do it: without the blank at its end.
    return [user(question), { role: 'assistant', content: 'An answer.' }, user('And then?')];
  };

  it('goes on where its beginning was read, while others are as free', async () => {
    await start();
    const messages = await firstTurn();
    for (let turn = 0; turn < 2; turn++) {
      const id = await ask(messages);
      await answer(upstreams[1], id);
      expect(upstreamOf(id)).toBe('ollama-2');
      messages.push({ role: 'assistant', content: 'An answer.' }, user(`and ${turn}?`));
    }
  });

  it('goes where another answer to the same question was read, and with a system prompt too', async () => {
    await start();
    const [question] = await firstTurn();
    const id = await ask([question!]);
    await answer(upstreams[1], id);
    expect(upstreamOf(id)).toBe('ollama-2');
    // Only the system prompt is the same: that is no reason to crowd one server.
    const system: Message = { role: 'system', content: LONG };
    const other = await busy();
    await answer(upstreams[1], await ask([system, user('a')]));
    await answer(upstreams[0], other);
    const new_ = await ask([system, user('b')]);
    await answer(upstreams[0], new_);
    expect(upstreamOf(new_)).toBe('ollama');
  });

  it('waits for that upstream where this costs less, blocks nobody, and starts when it is free', async () => {
    await start();
    const messages = await firstTurn();
    const [here, there] = [await busy(), await busy()];
    await answer(upstreams[0], here);
    // The first upstream is free, but the second is worth a minute.
    const { generationId: id, state } = await accepted(messages);
    expect(state).toBe('queued');
    const later = await busy();
    await answer(upstreams[0], later);
    await answer(upstreams[1], there);
    await answer(upstreams[1], id);
    expect(upstreamOf(id)).toBe('ollama-2');
    expect(upstreamOf(later)).toBe('ollama');
  });

  it('goes elsewhere when it has waited for as long as that upstream saves', async () => {
    await start();
    // Longer than any of these answers takes, on a machine that stands still now and then.
    const messages = await firstTurn({ prompt_eval_duration: 2_000e6 });
    const [here, there] = [await busy(), await busy()];
    await answer(upstreams[0], here);
    const { generationId: id, state } = await accepted(messages);
    expect(state).toBe('queued');
    await answer(upstreams[0], id);
    expect(upstreamOf(id)).toBe('ollama');
    await answer(upstreams[1], there);
  });

  it('does not begin to wait where answers take longer than that upstream saves', async () => {
    await start();
    const messages = await firstTurn({ prompt_eval_duration: 100e6 });
    // The turns of this model come to take a second or more.
    const slow = await ask([user('slow')]);
    const asked = await upstreams[0].nextCall();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    asked.text('x').done();
    await client.ended(slow);
    const [here, there] = [await busy(), await busy()];
    await answer(upstreams[0], here);
    const { generationId: id, state } = await accepted(messages);
    expect(state).toBe('starting');
    await answer(upstreams[0], id);
    expect(upstreamOf(id)).toBe('ollama');
    await answer(upstreams[1], there);
  });

  it('waits in no line that is full', async () => {
    await start({ MAX_QUEUE: 0 });
    const messages = await firstTurn();
    const [here] = [await busy(), await busy()];
    await answer(upstreams[0], here);
    const { generationId: id, state } = await accepted(messages);
    expect(state).toBe('starting');
    await answer(upstreams[0], id);
    expect(upstreamOf(id)).toBe('ollama');
  });

  it('goes elsewhere when that upstream is away', async () => {
    await start();
    const messages = await firstTurn();
    await upstreams[1].close();
    await call('GET', `${app.url}/llm/models`);
    const id = await ask(messages);
    await answer(upstreams[0], id);
    expect(upstreamOf(id)).toBe('ollama');
  });

  it('goes to the least busy one where ROUTE_BY_PREFIX is off', async () => {
    await start({ ROUTE_BY_PREFIX: 'false' });
    const id = await ask(await firstTurn());
    await answer(upstreams[0], id);
    expect(upstreamOf(id)).toBe('ollama');
  });

  it('is nobody else’s: the same words of another user go to the least busy one', async () => {
    await start();
    const messages = await firstTurn();
    const other = await Client.connect(app.socketUrl, { auth: { userId: 'somebody' } });
    const { generationId } = await other.accepted('chat', { messages });
    (await upstreams[0].nextCall()).text('x').done();
    await other.ended(generationId);
    other.close();
  });
});
