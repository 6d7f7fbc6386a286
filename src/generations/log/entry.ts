import type { Part } from '../../cast/part.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { FinishReason, Timings, Usage } from '../../protocol/usage.js';
import type { Proof } from './proof.js';

/** Kinds of text. Neighbouring entries of one kind can be merged. */
export type TextKind = Extract<Part, { text: string }>['type'];

/** Why a generation was cancelled. */
export type CancelReason = 'client' | 'abandoned' | 'admin';

/** How a generation ended. It is the last thing that a log says, and it proves the text before it. */
export type End = { type: 'end' } & Proof &
  (
    | { state: 'completed'; reason: FinishReason; usage: Usage; timings: Timings }
    | {
        state: 'cancelled';
        reason: CancelReason;
        /** Milliseconds from the cancel to the end of the upstream request. */
        upstreamClosedMs: number;
      }
    | {
        state: 'failed' | 'interrupted';
        code: ErrorCode;
        /** A sentence for people. */
        detail: string;
        /** Whether the same request may succeed later. */
        retryable: boolean;
        /** Earliest sensible time for the next try, in milliseconds. */
        retryAfterMs: number | undefined;
      }
  );

/**
 * One entry of a log: what the model did, and not how some client is told. A renderer makes the
 * frames of one protocol of it.
 */
export interface Entry {
  /** 1, 2, 3, … without holes; of several merged entries the last. */
  readonly seq: number;
  /** The first seq that it covers; `seq` where nothing was merged. */
  readonly from: number;
  readonly said: Part | End;
}

/** What an entry of one type says. */
export type Said<Type extends Entry['said']['type']> = Extract<Entry['said'], { type: Type }>;

/** The entry that ends a log. */
export type EndEntry = Entry & { readonly said: End };
