import type { Upstream } from '../../cast/upstream.js';

/** Most models that are remembered; callers choose their names. */
const MAX_MODELS = 256;
/** Weight of the newest measurement. */
const NEWEST = 0.3;
/** A shorter text says nothing of the rate: the rest of what a request costs outweighs it. */
const MEASURABLE_CHARS = 500;
/** Until it is measured: about 2,500 tokens a second. */
const UNMEASURED_MS_PER_CHAR = 0.1;

/** What is known of one model on one upstream. */
interface Measured {
  /** How long it takes to read a character of a prompt. */
  msPerChar: number | undefined;
  /** The share of a known prefix that was still in its cache, 0 to 1. */
  kept: number;
}

/** One prompt that an upstream has read. */
export interface ReadPrompt {
  /** Its whole length, and how much of it the upstream had processed before. */
  readonly chars: number;
  readonly knownChars: number;
  /** How long the upstream took until it could answer. */
  readonly ms: number;
}

/** How fast prompts are read, and what upstreams keep of them, learned from their answers. */
export class Prefill {
  private readonly models = new Map<string, Map<Upstream, Measured>>();

  learn(upstream: Upstream, model: string, { chars, knownChars, ms }: ReadPrompt): void {
    const measured = this.of(upstream, model);
    if (knownChars === 0) {
      if (chars >= MEASURABLE_CHARS) measured.msPerChar = mean(measured.msPerChar, ms / chars);
    } else if (measured.msPerChar !== undefined && knownChars >= MEASURABLE_CHARS) {
      const readChars = ms / measured.msPerChar;
      const kept = Math.min(1, Math.max(0, (chars - readChars) / knownChars));
      measured.kept = mean(measured.kept, kept);
    }
  }

  /**
   * How much sooner this upstream answers because it knows so much of a prompt, in milliseconds.
   * At the rate of the fastest upstream: that one may be asked instead.
   */
  saved(upstream: Upstream, model: string, knownChars: number): number {
    const all = [...(this.models.get(model)?.values() ?? [])];
    const rates = all.flatMap(({ msPerChar }) => msPerChar ?? []);
    const rate = rates.length > 0 ? Math.min(...rates) : UNMEASURED_MS_PER_CHAR;
    const kept = this.models.get(model)?.get(upstream)?.kept ?? 1;
    return knownChars * rate * kept;
  }

  private of(upstream: Upstream, model: string): Measured {
    const upstreams = this.models.get(model) ?? new Map<Upstream, Measured>();
    this.models.delete(model);
    this.models.set(model, upstreams);
    const [oldest] = this.models.keys();
    if (this.models.size > MAX_MODELS && oldest !== undefined) this.models.delete(oldest);
    const measured = upstreams.get(upstream) ?? { msPerChar: undefined, kept: 1 };
    upstreams.set(upstream, measured);
    return measured;
  }
}

function mean(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + NEWEST * (newest - before);
}
