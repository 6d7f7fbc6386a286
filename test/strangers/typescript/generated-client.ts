/** Uses the client of openapi-fetch, with the types that openapi-typescript made: URL of the server. */
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

declare const process: { argv: string[] };
const api = createClient<paths>({ baseUrl: process.argv[2] ?? '' });
type View = components['schemas']['GenerationView'];

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const live = await api.GET('/health/live');
check(live.data?.status === 'ok', 'live');

const started = await api.POST('/llm/generate', { body: { prompt: 'x', onDisconnect: 'keep' } });
// With `stream` it would be the events themselves.
check(typeof started.data === 'object', 'started');
const params = { path: { id: started.data.generationId } };

const seen = await api.GET('/llm/generations/{id}', { params });
check(seen.data?.seq !== undefined, 'seen');

// Server-Sent Events are text to it.
const events = await api.GET('/llm/generations/{id}/events', { params, parseAs: 'text' });
check(events.data?.includes('"state":"completed"') === true, `events: ${events.data}`);

const ended: View | undefined = (await api.GET('/llm/generations/{id}', { params })).data;
check(ended !== undefined && 'finishReason' in ended, 'ended');

const missing = await api.GET('/llm/generations/{id}', {
  params: { path: { id: 'A'.repeat(22) } },
});
check(missing.error?.code === 'generation_not_found', 'missing');

// @ts-expect-error -- the prompt is missing, and the types know it
const wrong = await api.POST('/llm/generate', { body: {} });
check(wrong.error?.code === 'invalid_request', 'wrong');

console.log(ended.text, ended.finishReason);
