import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import type { AttemptResult, Life, LifecycleListener } from '../../generations/lifecycle.js';
import type { EndEntry } from '../../generations/log/entry.js';
import { GEN_AI, operationOf, providerOf } from '../gen-ai.js';
import type { KnownModels } from '../known-models.js';

/** The spans of one generation. */
interface Spans {
  readonly root: Span;
  /** In which the children are made. */
  readonly inside: Context;
  readonly acceptedAt: number;
  /** Until it has a slot. */
  queue: Span | undefined;
  attempt: Span | undefined;
  deliver: Span | undefined;
}

/**
 * Makes one trace of each generation: `chat {model}` with the children `queue`, `attempt n` and
 * `deliver`, in the trace of the request that asked for it. What anybody wrote is in none of them.
 */
export class Traces implements LifecycleListener {
  private readonly spans = new WeakMap<Life, Spans>();

  constructor(
    private readonly tracer: Tracer,
    private readonly models: KnownModels,
  ) {}

  accepted(life: Life): void {
    const operation = operationOf(life.request);
    const model = this.models.nameOf(life.request.model);
    const root = this.tracer.startSpan(
      `${operation} ${model}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          [GEN_AI.operation]: operation,
          [GEN_AI.requestModel]: model,
          [GEN_AI.responseId]: life.generation.id,
        },
      },
      contextOf(life.trace),
    );
    const inside = trace.setSpan(ROOT_CONTEXT, root);
    this.spans.set(life, {
      root,
      inside,
      acceptedAt: performance.now(),
      queue: this.tracer.startSpan('queue', {}, inside),
      attempt: undefined,
      deliver: undefined,
    });
    life.trace = traceparentOf(root);
  }

  attempt(life: Life, attempt: number, upstream: string): void {
    const spans = this.spans.get(life);
    if (spans === undefined) return;
    spans.queue?.end();
    spans.queue = undefined;
    const attributes = {
      [GEN_AI.operation]: operationOf(life.request),
      [GEN_AI.provider]: providerOf(upstream),
      [GEN_AI.requestModel]: this.models.nameOf(life.request.model),
      'llm_cast.upstream': upstream,
    };
    const kind = SpanKind.CLIENT;
    spans.attempt = this.tracer.startSpan(`attempt ${attempt}`, { kind, attributes }, spans.inside);
    spans.root.setAttribute(GEN_AI.provider, providerOf(upstream));
    // The upstream's own spans stand below it.
    life.trace = traceparentOf(spans.attempt);
  }

  attempted(life: Life, _attempt: number, _upstream: string, result: AttemptResult): void {
    const spans = this.spans.get(life);
    if (spans?.attempt === undefined) return;
    if (result !== 'completed' && result !== 'stopped') fail(spans.attempt, result);
    spans.attempt.end();
    life.trace = traceparentOf(spans.root);
  }

  first(life: Life): void {
    const spans = this.spans.get(life);
    if (spans === undefined) return;
    const seconds = (performance.now() - spans.acceptedAt) / 1000;
    spans.root.setAttribute(GEN_AI.timeToFirstChunk, seconds);
    spans.deliver = this.tracer.startSpan('deliver', {}, spans.inside);
  }

  ended(life: Life, { said }: EndEntry): void {
    const spans = this.spans.get(life);
    if (spans === undefined) return;
    this.spans.delete(life);
    const { root, queue, deliver } = spans;
    const { generation } = life;
    const { usage, responseModel } = generation;
    if (said.state === 'completed') root.setAttribute(GEN_AI.finishReasons, [said.reason]);
    else if (said.state === 'cancelled') root.setAttribute('llm_cast.cancelled', said.reason);
    else fail(root, said.code);
    if (responseModel !== undefined) {
      root.setAttribute(GEN_AI.responseModel, this.models.nameOf(responseModel));
    }
    if (usage !== null) {
      root.setAttribute(GEN_AI.inputTokens, usage.promptTokens);
      root.setAttribute(GEN_AI.outputTokens, usage.completionTokens);
    }
    queue?.end();
    root.end();
    // Its readers may be behind.
    if (deliver !== undefined) generation.log.onceUnread(() => deliver.end());
  }
}

/** `error.type` is a code of our closed list: what was said is for the log. */
function fail(span: Span, code: string): void {
  span.setAttribute(GEN_AI.errorType, code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** A context that holds the span of whoever asked. @param traceparent as `traceOf` lets it pass */
function contextOf(traceparent: string | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  const parent: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
  };
  return trace.setSpanContext(ROOT_CONTEXT, parent);
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
