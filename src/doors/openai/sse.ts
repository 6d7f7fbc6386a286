import type { CastError } from '../../protocol/errors.js';
import type { StreamState } from '../../protocol/stream-state.js';
import type { Response } from 'express';
import type { End } from '../../generations/log/entry.js';
import { answerRefused, refusedBy, refusedByEnd } from '../refused.js';
import { errorBody } from './error-body.js';

/** What a stream says beside its frames, as comments, which clients skip (WHATWG HTML, section 9.2.6). */
export const comments = {
  state({ state, position, etaMs }: StreamState): string {
    if (state !== 'queued' || position === undefined) return '';
    return `: queued position=${position}${etaMs === undefined ? '' : ` eta_ms=${etaMs}`}\n\n`;
  },
  heartbeat: (): string => ': still here\n\n',
};

/** An error inside a stream. */
export function errorEvent(error: CastError): string {
  return `data: ${JSON.stringify(errorBody(refusedBy(error)))}\n\n`;
}

/** Answers with the failure of a generation that has said nothing. */
export function refuseEnd(response: Response, end: End): boolean {
  const refused = refusedByEnd(end);
  if (refused !== undefined) answerRefused(response, refused, errorBody(refused));
  return refused !== undefined;
}
