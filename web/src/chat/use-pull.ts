import type { Cast, CastStream, Refusal, Started, StreamRecord } from 'llm-cast-client';
import { shallowRef } from 'vue';
import { authorization } from '../access/credential';
import { tabStorage } from './tab-storage';
import { SERVER } from '../page-info';

/** A model on its way. */
export interface Pull {
  model: string;
  /** In Ollama's words. */
  status: string;
  /** Bytes of the layers that are known so far; 0 of 0 before the first. */
  completed: number;
  total: number;
  state: 'running' | 'done' | 'failed';
}

/** Where a tab remembers its pull. */
const KEY = 'llm-cast pull';

/** Has Ollama pull a model. @param done is told when there is a new one */
export function usePull(cast: Cast, done: () => void) {
  const pull = shallowRef<Pull>();
  let running: CastStream | undefined;

  function show(change: Partial<Pull>): void {
    if (pull.value !== undefined) pull.value = { ...pull.value, ...change };
  }

  async function follow(model: string, generationId: string): Promise<void> {
    pull.value = { model, status: '', completed: 0, total: 0, state: 'running' };
    const layers = new Map<string, { completed: number; total: number }>();
    const onRecord = (record: StreamRecord): void => {
      if (!('status' in record) || record.done) return;
      const { status, digest, completed = 0, total } = record;
      if (digest !== undefined && total !== undefined) layers.set(digest, { completed, total });
      show({ status, ...sum([...layers.values()]) });
    };
    running = cast.join(generationId, { onRecord });
    const { state } = await running.result;
    const error = running.view.error?.message;
    if (state === 'completed') show({ state: 'done', status: 'ready' });
    else show({ state: 'failed', status: error ?? 'stopped; the next pull goes on from here' });
    done();
  }

  /** Shows it to its end, over reloads too. */
  async function watch(model: string, started: Promise<string>): Promise<void> {
    try {
      const generationId = await started;
      tabStorage.write(KEY, JSON.stringify([model, generationId]));
      await follow(model, generationId);
    } catch (error) {
      const status = error instanceof Error ? error.message : String(error);
      pull.value = { model, status, completed: 0, total: 0, state: 'failed' };
    }
    tabStorage.write(KEY, null);
  }

  const kept = tabStorage.read(KEY);
  if (kept !== null) {
    const [model, generationId] = JSON.parse(kept) as [string, string];
    void watch(model, Promise.resolve(generationId));
  }

  return {
    pull,
    start: (model: string) => watch(model, ask(model, cast.clientId)),
    stop: () => void running?.cancel(),
    close: () => (pull.value = undefined),
  };
}

async function ask(model: string, clientId: string | undefined): Promise<string> {
  if (clientId === undefined) throw new Error('there is no connection at the moment');
  const response = await fetch(`${SERVER}llm/models/pull`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...authorization() },
    body: JSON.stringify({ model, clientId }),
  }).catch(() => {
    throw new Error('The server cannot be reached.');
  });
  // What a proxy says instead of the server is a page in HTML.
  const body: unknown = await response.json().catch(() => undefined);
  if (body === undefined) throw new Error(`The server does not answer (HTTP ${response.status}).`);
  if (!response.ok) throw new Error((body as Refusal).message);
  return (body as Started).generationId;
}

function sum(layers: readonly { completed: number; total: number }[]) {
  return {
    completed: layers.reduce((bytes, { completed }) => bytes + completed, 0),
    total: layers.reduce((bytes, { total }) => bytes + total, 0),
  };
}
