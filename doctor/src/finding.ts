/** How to mend what is wrong. */
export interface Remedy {
  /** A sentence or two. */
  how: string;
  /** What to write or to run, as it stands. */
  lines?: string;
}

/** What one check says. `skipped`: something that it needs is wrong or turned off. */
export interface Verdict {
  status: 'ok' | 'warning' | 'failed' | 'skipped';
  /** In plain words. */
  what: string;
  mend?: Remedy;
  /** In place of the check's own title, where a check looks at several things. */
  title?: string;
}

export type CheckId =
  | 'rest'
  | 'access'
  | 'ready'
  | 'stream'
  | 'socket'
  | 'origin'
  | 'polling'
  | 'websocket'
  | 'upgrade'
  | 'ping'
  | 'store'
  | 'upstream'
  | 'model'
  | 'generate'
  | 'idle';

export interface Finding extends Verdict {
  id: CheckId;
  title: string;
}

export const ok = (what: string): Verdict => ({ status: 'ok', what });
export const skipped = (what: string): Verdict => ({ status: 'skipped', what });
export const warning = (what: string, mend: Remedy): Verdict => ({ status: 'warning', what, mend });
export const failed = (what: string, mend: Remedy): Verdict => ({ status: 'failed', what, mend });

/** Ends a check as failed, from wherever it is. */
export class Failure extends Error {
  constructor(
    what: string,
    readonly mend: Remedy,
  ) {
    super(what);
  }
}
