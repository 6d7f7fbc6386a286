import { firstValueFrom } from 'rxjs';
import { z } from 'zod';
import { CastError } from '../../protocol/errors.js';
import type { Statistics } from '../../protocol/usage.js';
import type { Ask, Dialect } from './dialect.js';

/** Longest time that a slot is held back. */
const LONGEST_MS = 60_000;
/** How often a server that can tell is asked whether it is still busy. */
const POLL_MS = 250;
/** Most models whose pace is remembered; callers choose their names. */
const MAX_MODELS = 256;
/** A prompt shorter than this, in tokens, tells little of the pace. */
const TELLING_TOKENS = 32;
/** Weight of the newest pace. */
const NEWEST = 0.3;

const slotsAnswer = z.array(z.looseObject({ is_processing: z.boolean() }));

/**
 * Waits until a server has stopped working on a request that was aborted while it read the prompt. It
 * looks for the closed connection only between two batches of tokens. llama.cpp tells which of its
 * slots are busy (`/slots`). Ollama tells nothing: it has stopped after one batch at the latest, so
 * the usual time of one batch is waited.
 */
export class Settling {
  private readonly msPerToken = new Map<string, number>();
  /** The server was asked, and does not tell. */
  private isMute = false;

  constructor(
    private readonly dialect: Pick<Dialect, 'slotsPath' | 'batchTokens'>,
    private readonly ask: Ask,
  ) {}

  /** An answer's statistics tell how fast the model reads. */
  learn(model: string, { prompt_eval_count: tokens, prompt_eval_duration: ns }: Statistics): void {
    if (tokens === undefined || ns === undefined || tokens < TELLING_TOKENS) return;
    const pace = ns / 1e6 / tokens;
    const mean = this.msPerToken.get(model) ?? pace;
    this.msPerToken.delete(model);
    this.msPerToken.set(model, mean + NEWEST * (pace - mean));
    const [oldest] = this.msPerToken.keys();
    if (this.msPerToken.size > MAX_MODELS && oldest !== undefined) this.msPerToken.delete(oldest);
  }

  /** @param open how many other requests of ours the server works on */
  async wait(model: string, open: () => number): Promise<void> {
    const { slotsPath, batchTokens } = this.dialect;
    const deadline = performance.now() + LONGEST_MS;
    if (slotsPath !== undefined) {
      while (performance.now() < deadline && (await this.isBusy(slotsPath(model), open))) {
        await sleep(POLL_MS);
      }
      return;
    }
    const batchMs = (this.msPerToken.get(model) ?? 0) * batchTokens;
    if (batchMs > 0) await sleep(Math.min(batchMs, LONGEST_MS));
  }

  /** Whether the server works on more than what we have asked for, with no slot to spare. */
  private async isBusy(path: string, open: () => number): Promise<boolean> {
    if (this.isMute) return false;
    try {
      const slots = await firstValueFrom(this.ask(path, slotsAnswer));
      const busy = slots.filter((slot) => slot.is_processing).length;
      return busy === slots.length && busy > open();
    } catch (error) {
      const { code, upstreamStatus } = error as CastError;
      // It answers between two batches only, so silence is an answer too.
      if (code === 'first_byte_timeout' || upstreamStatus === 503) return true;
      this.isMute = code !== 'upstream_unreachable';
      return false;
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
