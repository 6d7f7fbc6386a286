import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../config/config.js';
import type { Refused } from './refused.js';

/** A door for clients that others have written. It translates; it decides nothing. */
export interface Door {
  /** What the setting `DOORS` calls it. */
  readonly name: Config['DOORS'][number];
  /** Whether a request for this path is for it. The path is without `BASE_PATH`, in small letters. */
  owns(path: string, headers: IncomingHttpHeaders): boolean;
  /** The body of a refusal, as its clients know it; a text is sent as plain text. */
  refusal(refused: Refused): object | string;
  /** Pages that may ask, or programs: they send it JSON under any content type, or under none. */
  readonly takesAnyContentType?: 'pages' | 'programs';
}
