import type { Checks } from './checks.js';
import type { Fault } from './fault.js';

/** A fault and what came of it. Times are of `performance.now()`, in ms. */
export interface Incident {
  readonly fault: Fault;
  /** When it is over at the earliest. */
  readonly until: number;
  /** The last record before it, and how often the connection had come back by then. */
  readonly seq: number;
  readonly reconnects: number;
  /** When the last record came, and the longest time without one. */
  readonly heardAt: number;
  readonly silenceMs: number;
  /** Records come again. */
  readonly isOver: boolean;
}

export function begun(fault: Fault, { seq }: Checks, reconnects: number, now: number): Incident {
  return {
    fault,
    until: Infinity,
    seq,
    reconnects,
    heardAt: now,
    silenceMs: 0,
    isOver: false,
  };
}

/** A record came. What was on its way when the fault began says nothing of its end. */
export function heard(incident: Incident, reconnects: number, now: number): Incident {
  if (incident.isOver) return incident;
  const isBack = incident.fault === 'stall' || reconnects > incident.reconnects;
  return {
    ...incident,
    heardAt: now,
    silenceMs: Math.max(incident.silenceMs, now - incident.heardAt),
    isOver: isBack && now >= incident.until,
  };
}

const HAPPENED: Readonly<Record<Fault, string>> = {
  cut: 'Cut',
  offline: 'Offline',
  stall: 'Stalled',
};

/** What happened, in a sentence. @param isEnded the answer is whole */
export function told(
  incident: Incident,
  { lost, repeated }: Checks,
  isEnded: boolean,
  now: number,
): string {
  const { fault, seq, until, silenceMs } = incident;
  const what = `${HAPPENED[fault]} after ${seq} records`;
  if (incident.isOver) {
    const seconds = (silenceMs / 1000).toFixed(1);
    return `${what}; back in ${seconds} s; ${lost} lost, ${repeated} repeated.`;
  }
  if (isEnded) return `${what}, but by then all of the answer was here.`;
  const left = Math.ceil((until - now) / 1000);
  return left > 0 && left < Infinity ? `${what}; ${left} s to go …` : `${what}; coming back …`;
}
