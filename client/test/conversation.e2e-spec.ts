import { jest } from '@jest/globals';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { FaultProxy } from '../../test/support/fault-proxy.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import {
  type AssistantMessage,
  type Conversation,
  conversationsOf,
  type ConversationStorage,
  OpenConversation,
  titleOf,
} from '../src/conversation.js';
import { type Cast, connect, type ConnectOptions } from '../src/index.js';

/** All clocks but that of dates and intervals. */
const REAL = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setTimeout',
  'clearTimeout',
] as const;

/** One storage for several tabs, with a memory that outlives them. */
class SharedStorage implements ConversationStorage {
  readonly kept = new Map<string, Conversation>();
  isFull = false;
  readonly #tabs: ((id: string, conversation: Conversation | undefined) => void)[] = [];

  async all() {
    return { conversations: [...this.kept.values()] };
  }

  async put(conversation: Conversation) {
    if (this.isFull) throw new Error('full');
    // As every real storage does, it keeps a copy.
    this.kept.set(conversation.id, structuredClone(conversation));
    this.#tell(conversation.id);
  }

  async remove(id: string) {
    this.kept.delete(id);
    this.#tell(id);
  }

  async change(id: string, change: (conversation: Conversation) => Conversation) {
    const before = this.kept.get(id);
    if (before === undefined) return undefined;
    await this.put(change(before));
    return this.kept.get(id);
  }

  onChange(changed: (id: string, conversation: Conversation | undefined) => void) {
    this.#tabs.push(changed);
  }

  #tell(id: string): void {
    for (const changed of this.#tabs) changed(id, this.kept.get(id));
  }
}

/** Far away, and without `change`. */
class FarStorage implements ConversationStorage {
  readonly taken: string[] = [];
  readonly held: (() => void)[] = [];
  /** An answer of this text is taken when the test lets it. */
  holds: string | undefined;

  all = () => Promise.resolve({ conversations: [] });
  remove = () => Promise.resolve();

  async put({ turns }: Conversation) {
    const { state, text } = turns.at(-1)!.answer;
    if (text === this.holds) {
      await new Promise<void>((resolve) => this.held.push(resolve));
    }
    this.taken.push(`${state}: ${text}`);
  }
}

describe('a conversation', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let storage: SharedStorage;
  let casts: Cast[] = [];

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 4 });
  });
  beforeEach(() => {
    storage = new SharedStorage();
  });
  afterEach(() => {
    for (const cast of casts) cast.close();
    casts = [];
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  /** As a page does when it is loaded: its own connection, the storage of all. */
  const load = (id?: string, setup = {}, url = app.socketUrl, options: ConnectOptions = {}) => {
    const cast = connect(url, options);
    casts.push(cast);
    const conversations = conversationsOf(cast, { storage });
    const open = new OpenConversation(conversations, id, setup);
    const statuses: string[] = [open.view.status];
    open.subscribe(() => {
      if (statuses.at(-1) !== open.view.status) statuses.push(open.view.status);
    });
    return { cast, conversations, open, statuses, text: () => textOf(open) };
  };
  const textOf = (open: OpenConversation): string[] =>
    open.view.messages.map(({ content }) => content);
  const lastOf = (open: OpenConversation): AssistantMessage =>
    open.view.messages.at(-1) as AssistantMessage;
  /** Asks, and has it answered. */
  const ask = async (open: OpenConversation, question: string, answer: string) => {
    await open.send(question);
    (await upstream.nextCall()).text(answer).done();
    await until(() => open.view.status === 'ready');
  };

  it('has messages and a status, and the model gets all of it', async () => {
    const { open, statuses, text } = load('main', { system: 'Be brief.', model: 'llama3.2' });
    await open.set({ settings: { temperature: 0, num_predict: 9, think: false } });
    await open.send('Why is the sky blue?');
    expect([open.view.status, text()]).toEqual(['submitted', ['Why is the sky blue?', '']]);
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({
      model: 'llama3.2',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Why is the sky blue?' },
      ],
      options: { temperature: 0, num_predict: 9 },
      think: false,
    });
    request.text('Ray');
    await until(() => open.view.status === 'streaming');
    request.text('leigh.').done();
    await until(() => open.view.status === 'ready');
    await open.send('Who?');
    const next = await upstream.nextCall();
    expect(next.body['messages']).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Why is the sky blue?' },
      { role: 'assistant', content: 'Rayleigh.' },
      { role: 'user', content: 'Who?' },
    ]);
    next.text('A lord.').done();
    await until(() => open.view.status === 'ready');
    expect(text()).toEqual(['Why is the sky blue?', 'Rayleigh.', 'Who?', 'A lord.']);
    expect(open.view.conversation.title).toBe('Why is the sky blue?');
    expect(lastOf(open)).toMatchObject({ state: 'completed', answer: { reason: 'stop' } });
    const round = ['submitted', 'streaming', 'ready'];
    expect(statuses).toEqual(['loading', 'ready', ...round, ...round]);
  });

  it('changes only the message that grows; the view is the same one until then', async () => {
    const { open } = load();
    await ask(open, 'one', 'first');
    await open.send('two');
    const request = await upstream.nextCall();
    await until(() => lastOf(open).state === 'starting');
    const before = open.view;
    expect(open.view).toBe(before);
    request.text('sec');
    await until(() => open.view !== before && lastOf(open).content === 'sec');
    expect(open.view.messages.map((message, at) => message === before.messages[at])).toEqual([
      true,
      true,
      true,
      false,
    ]);
    request.done();
    await until(() => open.view.status === 'ready');
  });

  it('stops, and keeps what had come', async () => {
    const { open } = load();
    await open.send('why?');
    const request = await upstream.nextCall();
    request.text('Because');
    await until(() => open.view.status === 'streaming');
    open.stop();
    await request.closed;
    await until(() => open.view.status === 'ready');
    expect(lastOf(open)).toMatchObject({ content: 'Because', state: 'cancelled' });
    expect(storage.kept.get(open.id)?.turns[0]?.answer).toMatchObject({
      text: 'Because',
      state: 'cancelled',
      reason: 'client',
    });
  });

  it('answers again and edits, and loses no version', async () => {
    const { open, text } = load();
    await ask(open, 'one', 'first');
    await ask(open, 'two', 'second');
    await open.regenerate();
    (await upstream.nextCall()).text('second, again').done();
    await until(() => open.view.status === 'ready');
    expect(text()).toEqual(['one', 'first', 'two', 'second, again']);
    expect(lastOf(open).versions).toMatchObject({
      shown: 1,
      ids: [expect.any(String), lastOf(open).turnId],
    });

    await open.edit(open.view.messages[0]!.turnId, 'one!');
    const edited = await upstream.nextCall();
    expect(edited.body['messages']).toEqual([{ role: 'user', content: 'one!' }]);
    edited.text('first!').done();
    await until(() => open.view.status === 'ready');
    expect(text()).toEqual(['one!', 'first!']);

    const [original] = open.view.messages[0]!.versions.ids;
    await open.showVersion(original!);
    expect(text()).toEqual(['one', 'first', 'two', 'second, again']);
    await open.showVersion(lastOf(open).versions.ids[0]!);
    expect(text()).toEqual(['one', 'first', 'two', 'second']);
  });

  it('goes on after a reload, and in a second tab, with one request to the model', async () => {
    const before = upstream.calls.length;
    const first = load('main');
    await first.open.send('why?');
    const request = await upstream.nextCall();
    request.text('Be');
    await until(() => storage.kept.get('main')?.turns[0]?.answer.generationId !== undefined);
    await until(() => first.text()[1] === 'Be');
    const second = load('main');
    await until(() => second.text()[1] === 'Be');
    // As a page that is closed does.
    first.cast.close();
    request.text('cause');
    await until(() => second.text()[1] === 'Because');
    const reloaded = load('main');
    request.text('.').done();
    for (const { open, text } of [second, reloaded]) {
      await until(() => open.view.status === 'ready');
      expect(text()).toEqual(['why?', 'Because.']);
    }
    expect(upstream.calls).toHaveLength(before + 1);
  });

  it('asks once where the page goes away before the server has answered', async () => {
    const before = upstream.calls.length;
    const first = load('main');
    await first.open.send('why?');
    first.cast.close();
    const { open, text } = load('main');
    (await upstream.nextCall()).text('Because').done();
    await until(() => open.view.status === 'ready');
    expect(text()).toEqual(['why?', 'Because']);
    expect(upstream.calls).toHaveLength(before + 1);
  });

  it('is not given up by another tab, however long the one that asks has had no server', async () => {
    const before = upstream.calls.length;
    const proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
    const away = { connectTimeoutMs: Infinity, socket: { reconnectionDelayMax: 50 } };
    try {
      proxy.refusing = true;
      // The connection goes by timers of its own.
      jest.useFakeTimers({ doNotFake: [...REAL] });
      const first = load('main', {}, proxy.url, away);
      await first.open.send('why?');
      await jest.advanceTimersByTimeAsync(30 * 60_000);
      const second = load('main', {}, proxy.url, away);
      await until(() => second.open.view.status !== 'loading');
      expect([first, second].map(({ open }) => open.view.status)).toEqual([
        'submitted',
        'submitted',
      ]);
      proxy.refusing = false;
      (await upstream.nextCall()).text('Because').done();
      for (const { open, text } of [first, second]) {
        await until(() => open.view.status === 'ready');
        expect(text()).toEqual(['why?', 'Because']);
      }
      expect(upstream.calls).toHaveLength(before + 1);
    } finally {
      jest.useRealTimers();
      for (const cast of casts) cast.close();
      await proxy.close();
    }
  });

  it('says why an answer failed, and can be answered again', async () => {
    const { open } = load();
    await open.send('why?');
    (await upstream.nextCall()).text('Be').end();
    await until(() => open.view.status === 'error');
    expect(open.view.error).toMatchObject({ code: 'upstream_truncated' });
    expect(lastOf(open)).toMatchObject({ content: 'Be', state: 'failed' });
    await open.regenerate();
    expect([open.view.status, open.view.error]).toEqual(['submitted', undefined]);
    (await upstream.nextCall()).text('Because').done();
    await until(() => open.view.status === 'ready');
  });

  it('goes on where the storage takes nothing, and writes what it owes later', async () => {
    storage.isFull = true;
    const { open, conversations, text } = load();
    await ask(open, 'one', 'first');
    expect([text(), conversations.areKept]).toEqual([['one', 'first'], false]);
    expect(storage.kept.size).toBe(0);
    storage.isFull = false;
    await ask(open, 'two', 'second');
    await until(() => conversations.areKept);
    expect(storage.kept.get(open.id)?.turns).toHaveLength(2);
  });

  it('is written in order where the storage takes long', async () => {
    const far = new FarStorage();
    const cast = connect(app.socketUrl);
    casts.push(cast);
    const open = new OpenConversation(conversationsOf(cast, { storage: far }));
    open.subscribe(() => undefined);
    await open.send('why?');
    const request = await upstream.nextCall();
    far.holds = 'Be';
    request.text('Be');
    await until(() => far.held.length === 1);
    request.text('cause').done();
    await until(() => open.view.status === 'ready');
    far.held[0]!();
    await until(
      () =>
        far.taken.some((one) => one === 'running: Be') && far.taken.at(-1) === 'completed: Because',
    );
  });

  it('has a title also where its first question has no words, and cuts no emoji in two', async () => {
    const { open } = load();
    const png = 'iVBORw0KGgo=';
    await open.send('', { images: [png] });
    (await upstream.nextCall()).text('A dot.').done();
    await until(() => open.view.status === 'ready');
    expect(open.view.conversation.title).toBe('Image');
    expect(titleOf(`${'a'.repeat(59)}😀 and more`)).toBe(`${'a'.repeat(59)}…`);
  });

  it('takes what is set before its storage is read', async () => {
    await ask(load('main').open, 'one', 'first');
    const { open } = load('main');
    expect(open.view.status).toBe('loading');
    await open.set({ system: 'Be brief.' });
    expect(open.view.conversation).toMatchObject({ title: 'one', system: 'Be brief.' });
    expect(storage.kept.get('main')?.system).toBe('Be brief.');
  });

  it('is read on where another part of the app has left the same stream', async () => {
    const { open, cast } = load();
    await open.send('why?');
    const request = (await upstream.nextCall()).text('Be');
    await until(() => lastOf(open).content === 'Be');
    cast.join(lastOf(open).answer.generationId!).leave();
    request.text('cause').done();
    await until(() => open.view.status === 'ready', 10_000);
    expect(textOf(open)).toEqual(['why?', 'Because']);
  });

  it('is one of a list; removed, its answer stops, and it can be brought back', async () => {
    const { open, conversations } = load();
    await ask(open, 'one', 'first');
    await open.send('two');
    const request = await upstream.nextCall();
    await until(() => lastOf(open).state === 'starting');
    expect(conversations.list.map(({ title }) => title)).toEqual(['one']);
    await open.remove();
    await request.closed;
    expect([conversations.list, open.view.messages, storage.kept.size]).toEqual([[], [], 0]);
    await conversations.undoRemove();
    expect(open.view.messages).toHaveLength(4);
  });

  it('keeps what the app puts into a request, and says what is wrong with that', async () => {
    const cast = connect(app.socketUrl);
    casts.push(cast);
    const conversations = conversationsOf(cast, {
      request: async (_conversation, turn) => {
        if (turn.question === 'bad') throw new Error('no tools today');
        return { messages: [{ role: 'user', content: `Q: ${turn.question}` }] };
      },
    });
    const open = new OpenConversation(conversations);
    open.subscribe(() => undefined);
    await open.send('good');
    const request = await upstream.nextCall();
    expect(request.body['messages']).toEqual([{ role: 'user', content: 'Q: good' }]);
    request.text('yes').done();
    await until(() => open.view.status === 'ready');
    await open.send('bad');
    await until(() => open.view.status === 'error');
    expect(open.view.error).toEqual({ code: 'invalid_request', message: 'no tools today' });
  });

  it('is read on where the first connection takes too long after a reload', async () => {
    const first = load('main');
    await first.open.send('why?');
    const request = await upstream.nextCall();
    request.text('Be');
    await until(() => storage.kept.get('main')?.turns[0]?.answer.text === 'Be');
    first.cast.close();
    const cast = connect(app.socketUrl, { connectTimeoutMs: 1, socket: { reconnectionDelay: 5 } });
    casts.push(cast);
    const conversations = conversationsOf(cast, { storage });
    const open = new OpenConversation(conversations, 'main');
    open.subscribe(() => undefined);
    await until(() => open.view.messages.length === 2);
    request.text('cau');
    await until(() => lastOf(open).content === 'Becau');
    const [stream] = conversations.streams.values();
    request.text('se');
    await until(() => stream?.text === 'Because');
    expect(lastOf(open).content).toBe('Because');
    request.done();
    await until(() => open.view.status === 'ready');
    expect(textOf(open)).toEqual(['why?', 'Because']);
  });

  describe('that is stopped while the server cannot be reached', () => {
    let proxy: FaultProxy;

    beforeEach(async () => {
      proxy = await FaultProxy.start(Number(new URL(app.socketUrl).port));
    });
    afterEach(() => proxy.close());

    it('stays so after a reload, and the model stops when the server hears of it', async () => {
      const first = load('main', {}, proxy.url);
      await first.open.send('why?');
      const request = (await upstream.nextCall()).text('Because');
      await until(() => storage.kept.get('main')?.turns[0]?.answer.text === 'Because');
      proxy.refusing = true;
      proxy.cut();
      await until(() => !first.cast.connected);
      first.open.stop();
      first.cast.close();
      const { open } = load('main');
      await request.closed;
      await until(() => open.view.status === 'ready');
      expect(lastOf(open)).toMatchObject({ content: 'Because', state: 'cancelled' });
    });

    it('counts as stopped where the server knows nothing of it any more', async () => {
      const { open } = load('main', {}, proxy.url);
      await open.send('why?');
      (await upstream.nextCall()).text('Because');
      await until(() => storage.kept.get('main')?.turns[0]?.answer.text === 'Because');
      proxy.refusing = true;
      proxy.cut();
      open.stop();
      casts.pop()!.close();
      const kept = storage.kept.get('main')!;
      const [turn] = kept.turns;
      const answer = { ...turn!.answer, generationId: 'k3JvX0d1Qm6c7Tq2Zr9s_A' };
      storage.kept.set('main', { ...kept, turns: [{ ...turn!, answer }] });
      const later = load('main').open;
      await until(() => later.view.status === 'ready');
      expect(lastOf(later)).toMatchObject({ content: 'Because', state: 'cancelled' });
    });

    it('is stopped also where its first connection took too long', async () => {
      const first = load('main');
      await first.open.send('why?');
      const request = (await upstream.nextCall()).text('Because');
      await until(() => storage.kept.get('main')?.turns[0]?.answer.text === 'Because');
      first.cast.close();
      proxy.refusing = true;
      const options = { connectTimeoutMs: 1, socket: { reconnectionDelay: 5 } };
      const { open, conversations } = load('main', {}, proxy.url, options);
      await until(() => [...conversations.streams.values()][0]?.view.error !== undefined);
      open.stop();
      proxy.refusing = false;
      await request.closed;
      await until(() => open.view.status === 'ready');
      expect(lastOf(open)).toMatchObject({ content: 'Because', state: 'cancelled' });
    });
  });
});
