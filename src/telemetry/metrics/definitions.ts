import { Counter, Gauge, type Registry } from 'prom-client';
import { TAKEOVER_RESULTS } from '../../generations/lifecycle.js';
import { DOORS } from '../../generations/log/reader.js';
import { errorCode } from '../../protocol/errors.js';
import { GEN_AI, GEN_AI_METRICS, underscored } from '../gen-ai.js';
import { BucketHistogram } from './bucket-histogram.js';
import { LONG_SECONDS, SECONDS, SHORT_SECONDS, TOKENS } from './buckets.js';

/** The labels of all `gen_ai_*` series. */
export const GEN_AI_LABELS = {
  operation: underscored(GEN_AI.operation),
  provider: underscored(GEN_AI.provider),
  requestModel: underscored(GEN_AI.requestModel),
  responseModel: underscored(GEN_AI.responseModel),
  errorType: underscored(GEN_AI.errorType),
} as const;
export const TOKEN_TYPE = underscored(GEN_AI.tokenType);

/** Prometheus has the unit in the name. */
function secondsOf(name: string): string {
  return `${underscored(name)}_seconds`;
}

/** What is counted and timed as it happens. The names are those of docs/monitoring.md. */
export function defineEvents(registry: Registry) {
  const registers = [registry];
  const counter = <Label extends string = never>(name: string, help: string, labels?: Label[]) =>
    new Counter<Label>({ name: `llm_cast_${name}`, help, labelNames: labels ?? [], registers });
  const histogram = (name: string, help: string, bounds: readonly number[]) =>
    new BucketHistogram(registry, `llm_cast_${name}`, help, bounds);
  const genAi = (name: string, help: string, bounds: readonly number[]) =>
    new BucketHistogram(registry, name, help, bounds);

  const events = {
    clientDuration: genAi(
      secondsOf(GEN_AI_METRICS.clientDuration),
      'Seconds that an upstream request took',
      SECONDS,
    ),
    clientFirstChunk: genAi(
      secondsOf(GEN_AI_METRICS.clientFirstChunk),
      'Seconds from an upstream request to its first chunk',
      SECONDS,
    ),
    clientPerChunk: genAi(
      secondsOf(GEN_AI_METRICS.clientPerChunk),
      'Seconds between two chunks of an answer, after the first',
      SECONDS,
    ),
    clientTokens: genAi(
      underscored(GEN_AI_METRICS.clientTokens),
      'Tokens of an answer, as the upstream counted them',
      TOKENS,
    ),
    serverDuration: genAi(
      secondsOf(GEN_AI_METRICS.serverDuration),
      'Seconds from the acceptance of a request to its end',
      LONG_SECONDS,
    ),
    serverFirstToken: genAi(
      secondsOf(GEN_AI_METRICS.serverFirstToken),
      'Seconds from the acceptance of a request to its first token, the line included',
      LONG_SECONDS,
    ),
    serverPerToken: genAi(
      secondsOf(GEN_AI_METRICS.serverPerToken),
      'Seconds of a token after the first, as the mean of an answer',
      SECONDS,
    ),
    ended: counter('generations_ended_total', 'Generations that have ended', [
      'state',
      'code',
      'reason',
    ]),
    queueWait: histogram('queue_wait_seconds', 'Seconds that a request waited', LONG_SECONDS),
    deliveryLag: histogram(
      'delivery_lag_seconds',
      'Seconds from the append of an entry until the connection of a reader took it (a sample)',
      SHORT_SECONDS,
    ),
    resumes: counter('resumes_total', 'Readers that came back for what follows a record', [
      'door',
      'result',
    ]),
    replayed: counter('replayed_records_total', 'Records that were there when a reader came'),
    cancelToClosed: histogram(
      'cancel_to_upstream_closed_seconds',
      'Seconds from a cancel to the end of the upstream request',
      SECONDS,
    ),
    afterCancel: counter('tokens_after_cancel_total', 'Tokens that came after a cancel'),
    attempts: counter('attempts_total', 'Upstream requests, by how they ended', [
      'upstream',
      'result',
    ]),
    slowCut: counter('slow_readers_cut_total', 'Readers that were cut: they took no byte'),
    clientLag: histogram(
      'client_lag_seconds',
      'Seconds after which records were applied, as clients report it: the median and the 95th percentile of an answer',
      SHORT_SECONDS,
    ),
    clientCuts: counter(
      'client_cuts_total',
      'Connections that clients lost in an answer, as they report',
    ),
    clientResumes: counter(
      'client_resumes_total',
      'Times that clients went on after it, as they report',
    ),
    integrity: counter(
      'integrity_reports_total',
      'Answers whose text clients compared with its proof',
      ['result'],
    ),
    refusals: counter('refusals_total', 'Requests that were refused', ['code']),
  };
  // A series that begins at its first event would hide this event from `increase`.
  for (const unlabelled of [events.queueWait, events.cancelToClosed]) unlabelled.begin({});
  for (const code of errorCode.options) events.refusals.inc({ code }, 0);
  for (const result of ['whole', 'damaged']) events.integrity.inc({ result }, 0);
  for (const door of DOORS) events.resumes.inc({ door, result: 'ok' }, 0);
  events.ended.inc({ state: 'completed', code: '', reason: 'stop' }, 0);
  return events;
}

export type Events = ReturnType<typeof defineEvents>;

/** What there is only where several nodes share a store. */
export function defineCluster(registry: Registry) {
  const registers = [registry];
  const takeovers = new Counter({
    name: 'llm_cast_takeovers_total',
    help: 'Generations of nodes that were lost or went, by what became of them here',
    labelNames: ['result'],
    registers,
  });
  for (const result of TAKEOVER_RESULTS) takeovers.inc({ result }, 0);
  return {
    takeovers,
    fenced: new Counter({
      name: 'llm_cast_fenced_appends_total',
      help: 'Appends that were refused because another node had taken the generation over',
      registers,
    }),
    storeLatency: new BucketHistogram(
      registry,
      'llm_cast_store_latency_seconds',
      'Seconds that the store took for a command, by what was asked; failed ones count too',
      SHORT_SECONDS,
    ),
    deaf: new Counter({
      name: 'llm_cast_pubsub_deaf_total',
      help: 'Times that this node did not hear its own messages, and subscribed anew',
      registers,
    }),
    leaseAge: new Gauge({
      name: 'llm_cast_lease_age_seconds',
      help: 'Seconds since the store last heard this node',
      registers,
    }),
    followers: new Gauge({
      name: 'llm_cast_followers',
      help: 'Copies of the generations of this node that other nodes keep up to date',
      registers,
    }),
  };
}

export type ClusterMetrics = ReturnType<typeof defineCluster>;

/** What is asked for at each scrape. */
export function defineStates(registry: Registry) {
  const registers = [registry];
  const gauge = <Label extends string = never>(name: string, help: string, labels?: Label[]) =>
    new Gauge<Label>({ name: `llm_cast_${name}`, help, labelNames: labels ?? [], registers });
  return {
    generations: gauge('generations', 'Generations that wait and run', ['state']),
    queueDepth: gauge('queue_depth', 'Requests that wait for a slot of an upstream', ['upstream']),
    slots: gauge('slots', 'Slots of an upstream', ['upstream', 'state']),
    circuit: gauge('circuit_state', '1 while an upstream is left alone because it failed', [
      'upstream',
    ]),
    behind: gauge('reader_behind_bytes', 'Bytes that readers have not yet been given, in all'),
    readers: gauge('readers', 'Readers of generations', ['door']),
    sockets: gauge('sockets', 'Connected sockets', ['transport']),
    logBytes: gauge('log_bytes', 'Bytes of memory that all kept generations take, about'),
    cadence: gauge(
      'cadence_seconds',
      'Least time between two events of an answer while the core is full; 0 while it keeps up',
    ),
    evicted: new Counter({
      name: 'llm_cast_evicted_total',
      help: 'Ended generations that are kept no more: their time was over, or others needed the room',
      labelNames: ['why'],
      registers,
    }),
  };
}

export type States = ReturnType<typeof defineStates>;
