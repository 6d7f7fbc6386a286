import type { AttemptResult, Life, LifecycleListener } from '../../generations/lifecycle.js';
import type { EndEntry } from '../../generations/log/entry.js';
import type { DoorName } from '../../generations/log/reader.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { ReportRequest } from '../../protocol/requests.js';
import { operationOf, providerOf } from '../gen-ai.js';
import type { KnownModels } from '../known-models.js';
import { type Events, GEN_AI_LABELS as LABEL, TOKEN_TYPE } from './definitions.js';
import { Watch } from './watch.js';

/** Counts and times what the lifecycle tells. */
export class Recorder implements LifecycleListener {
  private readonly watches = new WeakMap<Life, Watch>();

  constructor(
    private readonly events: Events,
    private readonly models: KnownModels,
  ) {}

  accepted(life: Life): void {
    this.watches.set(life, new Watch());
  }

  attempt(life: Life, _attempt: number, upstream: string): void {
    const watch = this.watches.get(life);
    if (watch === undefined) return;
    // The first one here: another node may have made some before.
    if (watch.attemptAt === undefined) {
      this.waited(life, watch);
      life.generation.timer = watch;
    }
    watch.attemptAt = performance.now();
    watch.upstream = upstream;
  }

  attempted(life: Life, _attempt: number, upstream: string, result: AttemptResult): void {
    this.events.attempts.inc({ upstream, result });
    const watch = this.watches.get(life);
    if (watch?.attemptAt === undefined || life.request.endpoint === 'pull') return;
    const labels = this.labelsOf(life, watch, result);
    const { clientDuration, clientFirstChunk, clientPerChunk } = this.events;
    clientDuration.observe(labels, seconds(watch.attemptAt));
    if (watch.firstAt === undefined) return;
    clientFirstChunk.observe(labels, (watch.firstAt - watch.attemptAt) / 1000);
    clientPerChunk.add(labels, watch.gaps, watch.spanUs / 1e6);
  }

  ended(life: Life, { said }: EndEntry): void {
    const { events } = this;
    const { generation } = life;
    const code = 'code' in said ? said.code : '';
    const reason = 'reason' in said ? said.reason : '';
    events.ended.inc({ state: said.state, code, reason });
    if (generation.lateTokens > 0) events.afterCancel.inc(generation.lateTokens);
    if (said.state === 'cancelled') events.cancelToClosed.observe({}, said.upstreamClosedMs / 1000);
    const watch = this.watches.get(life);
    this.watches.delete(life);
    if (watch === undefined) return;
    if (watch.attemptAt === undefined) this.waited(life, watch);
    if (life.request.endpoint !== 'pull') this.answered(life, watch, code || said.state);
  }

  delivered(door: DoorName, lagMs: number): void {
    this.events.deliveryLag.observe({ door }, lagMs / 1000);
  }

  joined(door: DoorName, after: number, result: 'ok' | ErrorCode, replayed: number): void {
    if (after > 0) this.events.resumes.inc({ door, result });
    if (replayed > 0) this.events.replayed.inc(replayed);
  }

  slowReader(): void {
    this.events.slowCut.inc();
  }

  refused(code: ErrorCode): void {
    this.events.refusals.inc({ code });
  }

  reported({ medianMs, p95Ms, cuts, resumes, whole }: ReportRequest): void {
    const { clientLag, clientCuts, clientResumes, integrity } = this.events;
    clientLag.observe({ of: 'median' }, medianMs / 1000);
    clientLag.observe({ of: 'p95' }, p95Ms / 1000);
    clientCuts.inc(cuts);
    clientResumes.inc(resumes);
    integrity.inc({ result: whole ? 'whole' : 'damaged' });
  }

  /** It has a slot, or does not wait any more. A pull stands in no line. */
  private waited(life: Life, { acceptedAt }: Watch): void {
    if (life.request.endpoint !== 'pull') this.events.queueWait.observe({}, seconds(acceptedAt));
  }

  /** The server's side: what a client waited for. */
  private answered(life: Life, watch: Watch, outcome: string): void {
    const { serverDuration, serverFirstToken, serverPerToken, clientTokens } = this.events;
    const { usage } = life.generation;
    const labels = this.labelsOf(life, watch, outcome);
    serverDuration.observe(labels, seconds(watch.acceptedAt));
    if (watch.firstAt !== undefined) {
      serverFirstToken.observe(labels, (watch.firstAt - watch.acceptedAt) / 1000);
    }
    if (usage === null) return;
    const { promptTokens, completionTokens } = usage;
    clientTokens.observe({ ...labels, [TOKEN_TYPE]: 'input' }, promptTokens);
    clientTokens.observe({ ...labels, [TOKEN_TYPE]: 'output' }, completionTokens);
    if (watch.firstAt === undefined || completionTokens < 2) return;
    serverPerToken.observe(labels, seconds(watch.firstAt) / (completionTokens - 1));
  }

  private labelsOf({ request, generation }: Life, { upstream }: Watch, outcome: string) {
    const { responseModel } = generation;
    return {
      [LABEL.operation]: operationOf(request),
      [LABEL.provider]: providerOf(upstream),
      [LABEL.requestModel]: this.models.nameOf(request.model),
      [LABEL.responseModel]: responseModel === undefined ? '' : this.models.nameOf(responseModel),
      [LABEL.errorType]: outcome === 'completed' ? '' : outcome,
    };
  }
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}
