import { birthOf } from '../../src/cluster/keys.js';
import type { Fault } from './chaos.js';
import type { Outcome, Problem } from './crowd.js';

/** Faults so long before and after a problem are told with it, in milliseconds. */
const BEFORE_MS = 20_000;
const AFTER_MS = 10_000;

/** How often each of these occurs. */
function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** What came of a run with faults. */
export interface Ledger {
  readonly seconds: number;
  readonly faults: Record<string, number>;
  readonly answers: number;
  /** How often each end was told: its state, and its code. */
  readonly ends: Record<string, number>;
  /** Those that were begun again, as nothing of them had been kept. */
  readonly begunAgain: number;
  /**
   * From the kill of a node until somebody was told the end of what it ran, in milliseconds; where
   * nothing else happened meanwhile.
   */
  readonly named: { readonly measured: number; readonly median: number; readonly longest: number };
  readonly problems: readonly string[];
}

export function ledgerOf(
  seconds: number,
  faults: readonly Fault[],
  outcomes: readonly Outcome[],
  problems: readonly Problem[],
): Ledger {
  const named = outcomes
    .flatMap((outcome) => namedAfter(outcome, faults))
    .toSorted((one, other) => one - other);
  return {
    seconds,
    faults: counted(faults.map(({ kind }) => kind)),
    answers: outcomes.length,
    ends: counted(outcomes.map(endOf)),
    begunAgain: outcomes.filter(({ attempts }) => attempts > 1).length,
    named: {
      measured: named.length,
      median: Math.round(named[Math.floor(named.length / 2)] ?? 0),
      longest: Math.round(named.at(-1) ?? 0),
    },
    problems: problems.map(({ what, at }) => `${what} beside ${faultsBeside(at, faults)}`),
  };
}

/** What happened at about that time, and from when to when it was, in seconds after it. */
function faultsBeside(at: number, faults: readonly Fault[]): string {
  const seconds = (from: number): string => ((from - at) / 1_000).toFixed(1);
  return faults
    .filter(({ from, to }) => to > at - BEFORE_MS && from < at + AFTER_MS)
    .map(
      ({ kind, node = '', from, to }) => `${kind} ${node} (${seconds(from)} to ${seconds(to)} s)`,
    )
    .join(', ');
}

/** The state of the end, and its code. */
export function endOf({ terminal }: Outcome): string {
  return 'code' in terminal ? `${terminal.state}, ${terminal.code}` : terminal.state;
}

/** The node on which it was born. */
export function nodeOf({ id }: Outcome): string {
  return birthOf(id) ?? '';
}

/** How long after the kill of its node its end was told, in milliseconds; nothing where that is not clear. */
function namedAfter(outcome: Outcome, faults: readonly Fault[]): number[] {
  const node = nodeOf(outcome);
  const kill = faults.find((fault) => fault.kind === 'node killed' && fault.node === node);
  if (kill === undefined || !endOf(outcome).endsWith('node_lost')) return [];
  const isClear = faults.every(
    (fault) => fault === kill || fault.to < kill.from || fault.from > outcome.endedAt,
  );
  return isClear && outcome.endedAt > kill.from ? [outcome.endedAt - kill.from] : [];
}
