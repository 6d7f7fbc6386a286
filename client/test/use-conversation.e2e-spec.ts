import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { createSSRApp, effectScope, h, ref } from 'vue';
import { renderToString as renderVue } from 'vue/server-renderer';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../../test/support/app.js';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.js';
import { until } from '../../test/support/until.js';
import { browserStorage, type Conversation, newConversation } from '../src/conversation.js';
import { type Cast, connect } from '../src/index.js';
import { useConversation as useInReact } from '../src/react.js';
import { useConversation as useInVue } from '../src/vue.js';
import { PageStub } from './support/page-stub.js';

/** As a browser's: its items are its own enumerable properties. */
function localStorageStub(): Storage {
  const methods = {
    getItem: (key: string) => (items as Record<string, string>)[key] ?? null,
    setItem: (key: string, value: string) => void Object.assign(items, { [key]: value }),
    removeItem: (key: string) => void Reflect.deleteProperty(items, key),
  };
  const items = Object.create(methods) as Storage;
  return items;
}

describe('useConversation', () => {
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let cast: Cast;
  let page: PageStub;
  let localStorage: Storage;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 4 });
    page = new PageStub();
  });
  beforeEach(() => {
    localStorage = Object.assign(globalThis, { localStorage: localStorageStub() }).localStorage;
    cast = connect(app.socketUrl);
  });
  afterEach(() => cast.close());
  afterAll(async () => {
    page.close();
    Reflect.deleteProperty(globalThis, 'localStorage');
    await app?.close();
    await upstream?.close();
  });

  it('of Vue follows the conversation that is named, each kept in the browser', async () => {
    const id = ref<string>();
    const scope = effectScope();
    const chat = scope.run(() => useInVue(cast, { id, storage: browserStorage() }))!;
    expect([chat.status.value, chat.messages.value]).toEqual(['loading', []]);
    await until(() => chat.status.value === 'ready');
    void chat.send('one');
    const request = await upstream.nextCall();
    request.text('first');
    await until(() => chat.messages.value[1]?.content === 'first');
    const first = chat.id.value;
    id.value = 'another';
    expect([chat.id.value, chat.messages.value]).toEqual(['another', []]);
    // What is not shown goes on.
    request.text(', whole').done();
    await until(() => chat.conversations.get(first)?.turns[0]?.answer.state === 'completed');
    id.value = first;
    expect(chat.messages.value.map(({ content }) => content)).toEqual(['one', 'first, whole']);
    expect(Object.keys(localStorage)).toEqual([`llm-cast conversation ${first}`]);
    scope.stop();

    const reloaded = connect(app.socketUrl);
    const again = effectScope();
    const later = again.run(() => useInVue(reloaded, { id: first, storage: browserStorage() }))!;
    await until(() => later.messages.value.length === 2);
    expect(later.messages.value[1]).toMatchObject({ content: 'first, whole', state: 'completed' });
    again.stop();
    reloaded.close();
  });

  it('has what can be read where other items are damaged, or of a storage with a longer name', async () => {
    const good: Conversation = { ...newConversation('good'), title: 'Good' };
    const other: Conversation = { ...newConversation('other'), title: 'Other' };
    localStorage.setItem('notes good', JSON.stringify(good));
    localStorage.setItem('notes of work other', JSON.stringify(other));
    for (const [at, damaged] of ['null', '{}', '{"version":1}', 'no JSON'].entries()) {
      localStorage.setItem(`notes ${at}`, damaged);
    }
    const scope = effectScope();
    const chat = scope.run(() => useInVue(cast, { id: 'good', storage: browserStorage('notes') }))!;
    await until(() => chat.status.value === 'ready');
    expect(chat.conversations.list.map(({ title }) => title)).toEqual(['Good']);
    expect([chat.conversations.areKept, chat.conversations.unreadable]).toEqual([true, 4]);
    scope.stop();
  });

  it('of Vue renders on a server without a connection', async () => {
    const Chat = {
      setup() {
        const { status, messages } = useInVue(cast, { storage: browserStorage('other') });
        return () => h('p', `${status.value} ${messages.value.length}`);
      },
    };
    expect(await renderVue(createSSRApp(Chat))).toBe('<p>loading 0</p>');
    expect(cast.connection.state).toBe('idle');
  });

  it('of React renders on a server without a connection', () => {
    const Chat = () => {
      const { status, messages } = useInReact(cast, {
        id: 'main',
        storage: browserStorage('other'),
      });
      return createElement('p', null, `${status} ${messages.length}`);
    };
    expect(renderToString(createElement(Chat))).toBe('<p>loading 0</p>');
    expect(cast.connection.state).toBe('idle');
  });

  it('hears of what another tab has kept in the browser', async () => {
    const storage = browserStorage('shared');
    const scope = effectScope();
    const chat = scope.run(() => useInVue(cast, { id: 'main', storage }))!;
    await until(() => chat.status.value === 'ready');
    void chat.send('one');
    (await upstream.nextCall()).text('first').done();
    await until(() => chat.messages.value[1]?.content === 'first' && chat.status.value === 'ready');
    const kept = JSON.parse(localStorage.getItem('shared main')!) as Conversation;
    const renamed = JSON.stringify({ ...kept, title: 'Renamed' });
    localStorage.setItem('shared main', renamed);
    const news = { key: 'shared main', newValue: renamed };
    page.dispatchEvent(Object.assign(new Event('storage'), news));
    expect(chat.conversation.value.title).toBe('Renamed');
    page.dispatchEvent(Object.assign(new Event('storage'), { ...news, newValue: null }));
    expect(chat.messages.value).toEqual([]);
    scope.stop();
  });
});
