import type { StreamRecord } from 'llm-cast-client';

/** What came of an answer, counted here, from the records that the page has applied. */
export interface Checks {
  /** The last record. */
  readonly seq: number;
  /** Records that are missing in between. */
  readonly lost: number;
  /** Records that were applied again. */
  readonly repeated: number;
}

/** One more record. A merged one stands for all from `from` to `seq`. */
export function checked(checks: Checks, { seq, from = seq }: StreamRecord): Checks {
  const expected = checks.seq + 1;
  return {
    seq: Math.max(checks.seq, seq),
    lost: checks.lost + Math.max(0, from - expected),
    repeated: checks.repeated + Math.max(0, Math.min(checks.seq, seq) - from + 1),
  };
}
