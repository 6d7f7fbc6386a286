import { type Answer, EMPTY } from './answer.js';
import type { CastError } from './cast-error.js';
import type { GenerationState, TerminalRecord } from './protocol.js';

/**
 * The terminal record, and whether `text` has the bytes and, where the platform can tell, the
 * SHA-256 that it names.
 */
export type Result = TerminalRecord & { readonly verified: boolean };

/** A stream at one moment. It never changes: after a change there is another one. */
export interface View extends Answer {
  /** Undefined until the server has accepted the request. */
  readonly generationId: string | undefined;
  /** `idle`: nothing was asked yet. `connecting`: asked, and not yet answered. */
  readonly state: 'idle' | 'connecting' | GenerationState;
  /** While it is queued: the place in the line (1 is next) and a guess of the time left. */
  readonly position: number | undefined;
  readonly etaMs: number | undefined;
  /** False while the connection is down; the stream goes on when it is back. */
  readonly connected: boolean;
  /** Once it is over. */
  readonly result: Result | undefined;
  /** Why it is over without an answer, or without a whole one. */
  readonly error: CastError | undefined;
}

export const IDLE: View = {
  ...EMPTY,
  generationId: undefined,
  state: 'idle',
  position: undefined,
  etaMs: undefined,
  connected: false,
  result: undefined,
  error: undefined,
};

/** Whether there is something to wait for, and to cancel. */
export function isRunning({ state, result, error }: View): boolean {
  return state !== 'idle' && result === undefined && error === undefined;
}
