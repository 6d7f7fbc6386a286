import type { Upstream } from '../../cast/upstream.js';
import type { LifecycleListener, Life } from '../lifecycle.js';
import { extended, type Prefix, prefixesOf } from './conversation-prefixes.js';
import type { KnownPrefixes } from './known-prefixes.js';
import { NOTICEABLE_MS } from './patience.js';
import { Prefill } from './prefill.js';

/** What is remembered of a request until it has ended. */
interface Routed {
  /** Of its prefixes, the shortest first. */
  readonly digests: readonly string[];
  /** The longest prefix: all of it. */
  readonly whole: Prefix;
  /** How many of its characters each upstream knew when it came. */
  readonly knownChars: ReadonlyMap<Upstream, number>;
  upstream: Upstream | undefined;
  /** When that upstream was asked, and how long it took to say the first thing. */
  askedAt: number;
  firstMs: number | undefined;
}

/**
 * Knows which upstream saves a request time, as it has processed the beginning of the conversation
 * before; and learns that from every answer.
 */
export class PrefixRouting implements LifecycleListener {
  private readonly routed = new WeakMap<Life, Routed>();
  private readonly prefill = new Prefill();
  private readonly byName: ReadonlyMap<string, Upstream>;

  constructor(
    upstreams: readonly Upstream[],
    private readonly known: KnownPrefixes,
  ) {
    this.byName = new Map(upstreams.map((upstream) => [upstream.name, upstream]));
  }

  /** What each upstream saves this request, in milliseconds; undefined where none saves it any. */
  async savingsOf(life: Life): Promise<ReadonlyMap<Upstream, number> | undefined> {
    const { request, caller } = life;
    const prefixes = prefixesOf(request, caller.turn);
    const whole = prefixes.at(-1);
    if (whole === undefined) return undefined;
    const digests = prefixes.map(({ digest }) => digest);
    const longest = await this.known.longest(digests);
    const knownChars = new Map<Upstream, number>();
    const savings = new Map<Upstream, number>();
    for (const [upstream, at] of longest) {
      const chars = prefixes[at]?.chars ?? 0;
      knownChars.set(upstream, chars);
      const saved = this.prefill.saved(upstream, request.model, chars);
      if (saved >= NOTICEABLE_MS) savings.set(upstream, saved);
    }
    const begin = { upstream: undefined, askedAt: 0, firstMs: undefined };
    this.routed.set(life, { digests, whole, knownChars, ...begin });
    return savings.size > 0 ? savings : undefined;
  }

  attempt(life: Life, _attempt: number, upstream: string): void {
    const routed = this.routed.get(life);
    if (routed === undefined) return;
    routed.upstream = this.byName.get(upstream);
    routed.askedAt = performance.now();
  }

  first(life: Life): void {
    const routed = this.routed.get(life);
    if (routed?.upstream === undefined) return;
    routed.firstMs = performance.now() - routed.askedAt;
    this.known.remember(routed.upstream, routed.digests);
  }

  ended(life: Life): void {
    const routed = this.routed.get(life);
    this.routed.delete(life);
    if (routed?.upstream === undefined || routed.firstMs === undefined) return;
    const { whole, upstream, knownChars, firstMs } = routed;
    const { log, done } = life.generation;
    // As the next turn will send it.
    const answer = extended(whole, {
      role: 'assistant',
      content: log.all('text'),
      tool_calls: log.toolCalls(),
    });
    this.known.remember(upstream, [answer.digest]);
    if (done === undefined) return;
    const { load_duration: loadNs = 0, prompt_eval_duration: readNs } = done.statistics;
    this.prefill.learn(upstream, life.request.model, {
      chars: whole.chars,
      knownChars: knownChars.get(upstream) ?? 0,
      ms: readNs === undefined ? Math.max(0, firstMs - loadNs / 1e6) : readNs / 1e6,
    });
  }
}
