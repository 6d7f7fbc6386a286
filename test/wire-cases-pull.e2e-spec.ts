import type { RunningServer } from '../src/server.js';
import { streamRecord } from '../src/protocol/records.js';
import type { Client } from './support/client.js';
import { call } from './support/rest.js';
import type { ScriptedUpstream } from './support/scripted-upstream.js';
import { Stage } from './support/stage.js';
import {
  errorTexts,
  eventsOf,
  expectedEvents,
  play,
  titleOf,
  wireCases,
} from './support/wire-case.js';

describe("Ollama's progress of a pull, byte for byte, through the whole server", () => {
  let stage: Stage;
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let client: Client;

  beforeAll(async () => {
    stage = await Stage.open({ ALLOW_PULL: 'true' });
    ({ upstream, app } = stage);
    client = await stage.connect();
  });
  afterAll(() => stage?.close());

  const given = wireCases('ndjson', '/api/pull');
  it.each(given.map((wire) => [titleOf(wire), wire] as const))('%s', async (_title, wire) => {
    const body = { clientId: client.id, model: 'new:1b' };
    const started = await call('POST', `${app.url}/llm/models/pull`, body);
    expect(started.status).toBe(201);
    const { generationId } = started.body as { generationId: string };
    const request = await upstream.nextCall();
    expect(request.path).toBe('/api/pull');
    expect(request.body).toEqual({ model: 'new:1b', stream: true });
    await play(wire, request);
    const terminal = await client.ended(generationId);

    const records = client.of(generationId);
    expect(eventsOf(wire, withoutLast(records))).toEqual(
      expectedEvents(wire).map((event) => expect.objectContaining(event)),
    );
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => index + 1));
    expect(records).toEqual(records.map((record) => streamRecord.parse(record)));
    for (const said of errorTexts(wire)) expect(JSON.stringify(terminal)).not.toContain(said);
  });
});

/** Without the last chunk, which says `success` as Ollama does; the terminal record is its event. */
function withoutLast(records: Client['records']): Client['records'] {
  return records.filter((record) => !('done' in record && record.done));
}
