import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import type { StreamRecord } from '../src/protocol/records.js';
import type { TerminalRecord } from '../src/protocol/terminal-record.js';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { Oracle } from './support/oracle.js';
import { call as ask } from './support/rest.js';
import { Scrape } from './support/scrape.js';
import { ScriptedUpstream, type UpstreamCall } from './support/scripted-upstream.js';
import { until } from './support/until.js';

const PIECES = ['The', ' sky', ' is', ' blue', '.'];
/** Longer than this process, in which all readers are, stands still on a busy machine. */
const SLOW_READER_MS = 2_000;

/** What clients and upstreams have seen, counted by them. */
class Ledger {
  readonly counts = new Map<string, Map<string, number>>();
  cancelledMs = 0;

  add(what: string, key: string, count = 1): void {
    const counts = this.counts.get(what) ?? new Map<string, number>();
    this.counts.set(what, counts.set(key, (counts.get(key) ?? 0) + count));
  }

  of(what: string): Record<string, number> {
    return Object.fromEntries(this.counts.get(what) ?? []);
  }

  sum(what: string): number {
    return Object.values(this.of(what)).reduce((sum, one) => sum + one, 0);
  }

  ended(end: TerminalRecord): void {
    const code = 'code' in end ? end.code : '';
    const reason = 'finishReason' in end ? end.finishReason : 'reason' in end ? end.reason : '';
    this.add('ended', [end.state, code, reason].join(' ').trim().replace(/ +/, ' '));
    if (end.state === 'cancelled') this.cancelledMs += end.upstreamClosedMs;
    if (end.state !== 'completed' || end.usage === null) return;
    this.add('tokens', 'input', end.usage.promptTokens);
    this.add('tokens', 'output', end.usage.completionTokens);
  }
}

describe('after a run with faults', () => {
  const ledger = new Ledger();
  let upstreams: ScriptedUpstream[];
  let app: RunningServer;
  let client: Client;
  let serving: NodeJS.Timeout | undefined;
  const answered = new Set<UpstreamCall>();
  let letFlood = (): void => undefined;
  const flooding = new Promise<void>((resolve) => (letFlood = resolve));

  /** Answers every request as its prompt says. */
  const serve = (): void => {
    for (const [at, upstream] of upstreams.entries()) {
      for (const call of upstream.calls) {
        if (answered.has(call)) continue;
        answered.add(call);
        const { prompt } = call.body as { prompt: string };
        answerAs(prompt.split(' ')[0] ?? '', call, at === 0 ? 'ollama' : 'ollama-2');
      }
    }
  };
  const firstOf = new Set<string>();
  const answerAs = (how: string, call: UpstreamCall, name: string): void => {
    const { prompt } = call.body as { prompt: string };
    const isFirst = !firstOf.has(prompt);
    firstOf.add(prompt);
    if (how === 'failover' && isFirst) {
      ledger.add('attempts', `${name} upstream_error`);
      return call.json(500, { error: 'no luck' });
    }
    if (how === 'hold') {
      call.text('Well');
      ledger.add('chunks', 'all');
      void call.closed.then(() => ledger.add('attempts', `${name} stopped`));
      return undefined;
    }
    if (how === 'flood') {
      void flooding.then(() => {
        for (let count = 0; count < 400; count++) call.text('x'.repeat(65_536));
        call.done();
      });
      ledger.add('chunks', 'all', 400);
      ledger.add('attempts', `${name} completed`);
      return undefined;
    }
    for (const piece of PIECES) call.text(piece);
    ledger.add('chunks', 'all', PIECES.length);
    if (how === 'truncated') {
      ledger.add('attempts', `${name} upstream_truncated`);
      return call.end();
    }
    ledger.add('attempts', `${name} completed`);
    return call.done();
  };

  const start = async (prompt: string): Promise<string> => {
    const { generationId } = await client.accepted('generate', { prompt, onDisconnect: 'keep' });
    return generationId;
  };
  const ended = async (generationId: string): Promise<void> =>
    ledger.ended(await client.ended(generationId));
  const refused = async (event: string, request: unknown): Promise<void> => {
    const answer = await client.ask(event, request);
    if (answer.ok) throw new Error(`${event} was not refused`);
    ledger.add('refusals', answer.error.code);
  };

  beforeAll(async () => {
    upstreams = [await ScriptedUpstream.start(), await ScriptedUpstream.start()];
    app = await startApp({
      METRICS: 'true',
      OLLAMA_BASE_URL: upstreams.map(({ url }) => url).join(','),
      MAX_CONCURRENT: 1,
      MAX_QUEUE: 2,
      SLOW_READER_MS,
      MAX_LOG_BYTES: 1_073_741_824,
      MAX_OUTPUT_BYTES: 104_857_600,
    });
    client = await Client.connect(app.socketUrl);
    await until(async () => {
      const { body } = await ask('GET', `${app.url}/llm/models`);
      return body.models?.length === 2;
    });
    serving = setInterval(serve, 5);
  });
  afterAll(async () => {
    clearInterval(serving);
    client?.close();
    await app?.close();
    for (const upstream of upstreams ?? []) await upstream.close();
  });

  it('every counter is what clients and upstreams have counted', async () => {
    // Answers, cut ones, and ones that another upstream gave after the first had failed.
    for (const how of ['well', 'well', 'truncated', 'failover', 'failover', 'well']) {
      await ended(await start(`${how} ${ledger.sum('ended')}`));
    }

    // Two that hold the slots, two that wait, and those that find the line full.
    const held = [await start('hold 1'), await start('hold 2')];
    await client.until(() => held.every((id) => client.of(id).length > 0));
    const waiting = [await start('well waiting 1'), await start('well waiting 2')];
    for (let count = 0; count < 3; count++) await refused('generate', { prompt: 'no room' });

    // A second tab is cut off, comes back, and asks for what it lacks; another asks in vain.
    const [first = ''] = held;
    const tab = await Client.connect(app.socketUrl);
    const oracle = new Oracle();
    oracle.sent('text', 'Well');
    const reader = oracle.reader('tab');
    const joined = async (from: Client, after: number): Promise<void> => {
      const answer = (await from.ask('join', { generationId: first, after })) as unknown as {
        ok: true;
        seq: number;
      };
      if (after > 0) ledger.add('resumes', 'socket ok');
      ledger.add('replayed', 'all', answer.seq - after);
    };
    tab.socket.on('streamData', (record: StreamRecord) => void reader.receive(record));
    await joined(tab, 0);
    await tab.until(() => reader.last === 1);
    tab.socket.io.engine.close();
    await tab.until(() => tab.socket.connected);
    await joined(tab, reader.last);
    const missing = { generationId: 'AAAAAAAAAAAAAAAAAAAAAA', after: 5 };
    await refused('join', missing);
    ledger.add('resumes', 'socket generation_not_found');
    await refused('join', { generationId: first, after: 99 });
    ledger.add('resumes', 'socket invalid_request');

    // Cancels, after which the two that wait have their turn.
    for (const id of held) await client.accepted('cancel', { generationId: id });
    for (const id of [...held, ...waiting]) await ended(id);
    await tab.until(() => reader.terminal !== undefined);
    expect(oracle.problems()).toEqual([]);

    // Server-Sent Events from the third record on, of an answer that is over.
    const [over = ''] = waiting;
    const sse = await fetch(`${app.url}/llm/generations/${over}/events`, {
      headers: { 'last-event-id': '3' },
    });
    const { seq } = (await client.ended(over)) as { seq: number };
    // Some may come merged.
    expect((await sse.text()).match(/^id: .*/gm)?.at(-1)).toBe(`id: ${seq}`);
    ledger.add('resumes', 'sse ok');
    ledger.add('replayed', 'all', seq - 3);

    // A reader that takes nothing of a long answer.
    const flood = await start('flood 1');
    const slow = await stuck(app.url, flood);
    letFlood();
    await ended(flood);
    const cuts = async (): Promise<number> =>
      (await Scrape.of(app.url)).sum('llm_cast_slow_readers_cut_total');
    await until(async () => (await cuts()) > 0);
    // What it then takes ends before the end of the stream.
    let last = '';
    slow.on('data', (bytes: Buffer) => (last = `${last}${bytes.toString('latin1')}`.slice(-1000)));
    await once(slow, 'close');
    expect(last).not.toContain('"state"');
    ledger.add('slow', 'cut');

    // Refusals over REST, and what clients report.
    for (const body of [{ prompt: 1 }, { prompt: 'x', oops: true }]) {
      const { body: refusal } = await ask('POST', `${app.url}/llm/generate`, body);
      ledger.add('refusals', refusal.code);
    }
    for (const whole of [true, false]) {
      const about = { generationId: whole ? over : flood, whole };
      const report = { ...about, medianMs: 12, p95Ms: 40, cuts: 2, resumes: 1 };
      await client.accepted('report', report);
      // A second one of the same socket does not count.
      await client.accepted('report', report);
      ledger.add('integrity', whole ? 'whole' : 'damaged');
    }
    tab.close();

    const scrape = await Scrape.of(app.url);
    const count = ledger.sum('ended');
    expect({
      ended: scrape.by('llm_cast_generations_ended_total', 'state', 'code', 'reason'),
      attempts: scrape.by('llm_cast_attempts_total', 'upstream', 'result'),
      refusals: scrape.by('llm_cast_refusals_total', 'code'),
      resumes: scrape.by('llm_cast_resumes_total', 'door', 'result'),
      integrity: scrape.by('llm_cast_integrity_reports_total', 'result'),
      replayed: scrape.sum('llm_cast_replayed_records_total'),
      slow: scrape.sum('llm_cast_slow_readers_cut_total'),
      tokens: scrape.by('gen_ai_client_token_usage_sum', 'gen_ai_token_type'),
      cuts: scrape.sum('llm_cast_client_cuts_total'),
      clientResumes: scrape.sum('llm_cast_client_resumes_total'),
      reported: scrape.by('llm_cast_client_lag_seconds_count', 'of'),
      waits: scrape.sum('llm_cast_queue_wait_seconds_count'),
      requests: scrape.sum('gen_ai_server_request_duration_seconds_count'),
      operations: scrape.sum('gen_ai_client_operation_duration_seconds_count'),
      chunks:
        scrape.sum('gen_ai_client_operation_time_to_first_chunk_seconds_count') +
        scrape.sum('gen_ai_client_operation_time_per_output_chunk_seconds_count'),
      cancelled: scrape.sum('llm_cast_cancel_to_upstream_closed_seconds_count'),
      late: scrape.sum('llm_cast_tokens_after_cancel_total'),
    }).toEqual({
      ended: renamed(ledger.of('ended')),
      attempts: ledger.of('attempts'),
      refusals: ledger.of('refusals'),
      resumes: ledger.of('resumes'),
      integrity: ledger.of('integrity'),
      replayed: ledger.sum('replayed'),
      slow: ledger.sum('slow'),
      tokens: ledger.of('tokens'),
      cuts: 4,
      clientResumes: 2,
      reported: { median: 2, p95: 2 },
      waits: count,
      requests: count,
      operations: ledger.sum('attempts'),
      chunks: ledger.sum('chunks'),
      cancelled: 2,
      late: 0,
    });
    const seconds = scrape.sum('llm_cast_cancel_to_upstream_closed_seconds_sum');
    expect(seconds).toBeCloseTo(ledger.cancelledMs / 1000, 6);
  });
});

/** Labels that are empty leave two blanks. */
function renamed(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).map(([key, value]) => [key.replace(/ (?=stop$|client$)/, '  '), value]),
  );
}

/** A caller that asks for the events of a generation, and then takes nothing. */
async function stuck(url: string, generationId: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`GET /llm/generations/${generationId}/events HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  // The answer has begun: from here on nothing is read.
  await once(socket, 'readable');
  return socket;
}
