import type { Ticket } from '../generations/line/slot-keeper.js';
import { digest } from './keys.js';

/** A ticket as the scripts know it; see lua/line.lua. */
export interface ToldTicket {
  u: string;
  /** Its accounts: name, most that run, most that wait; 0 = no limit. */
  x: [string, number, number][];
  c: string[];
  p: string[];
  r: boolean;
  /** What upstreams save it, and how long one like it holds a slot, in milliseconds. */
  s?: [string, number][];
  t?: number;
  /** Its arrival number and its rounds, once the line has given them. */
  a?: number;
  o?: Record<string, number>;
}

/** @param isRetry it had its turn, and goes before all others */
export function toldTicket(ticket: Ticket, isRetry: boolean): ToldTicket {
  const candidates = ticket.candidates();
  const { savings, turnMs } = ticket;
  return {
    u: nameOf('user', ticket.user),
    x: (ticket.accounts ?? []).map(({ name, running = 0, waiting = 0 }) => [
      nameOf('account', name),
      running,
      waiting,
    ]),
    c: candidates.map(({ key }) => key),
    p: candidates.filter((upstream) => ticket.prefers(upstream)).map(({ key }) => key),
    r: isRetry,
    ...(savings && { s: [...savings].map(([{ key }, ms]) => [key, ms] as [string, number]) }),
    ...(turnMs !== undefined && { t: turnMs }),
  };
}

/** A digest: the name of a user has no business in the line. */
function nameOf(kind: 'user' | 'account', name: string): string {
  return digest(`${kind} ${name}`).slice(0, 22);
}
