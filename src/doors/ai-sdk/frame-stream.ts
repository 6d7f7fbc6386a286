import type { Generation } from '../../generations/generation.js';
import type { Entry } from '../../generations/log/entry.js';
import type { Wording } from '../../http/streamed-response.js';
import type { StreamState } from '../../protocol/stream-state.js';
import type { Frame } from './frame.js';
import { FrameRenderer } from './frame-renderer.js';

export interface FrameStreamOptions {
  /** Of the message that the client makes, or goes on with. */
  messageId: string;
  /** How many frames the client has already. */
  skip?: number;
  /** Frames that stand before those of the log, without a number. */
  before?: readonly Frame[];
  /** Whether the place in the line is told as data, which counts as a frame in the client. */
  queueAsData?: boolean;
}

/** A generation as a UI message stream over Server-Sent Events. */
export function frameStream(generation: Generation, options: FrameStreamOptions): Wording {
  const { messageId, before = [], queueAsData = false } = options;
  const renderer = new FrameRenderer(generation.id, messageId);
  let toSkip = options.skip ?? 0;
  let hasBegun = false;
  let waiting = '';

  const numbered = (frames: readonly Frame[]): string => {
    const shown = frames.slice(toSkip);
    toSkip -= frames.length - shown.length;
    return shown.map(written).join('');
  };
  const beginning = (): string => {
    if (hasBegun) return '';
    hasBegun = true;
    return before.map(written).join('') + numbered(renderer.beginning());
  };
  const queue = ({ position, etaMs }: StreamState): string => {
    const now = position === undefined ? '' : placeInLine(position, etaMs, queueAsData);
    if (now === waiting) return '';
    return (waiting = now);
  };
  return {
    door: 'ai-sdk',
    contentType: 'text/event-stream',
    unmerged: true,
    entry: (entry) => {
      const end = entry.said.type === 'end' ? 'data: [DONE]\n\n' : '';
      return beginning() + numbered(renderer.frames(entry)) + end;
    },
    state: (state) => beginning() + queue(state),
    heartbeat: () => ': still here\n\n',
    // A client counts what it has and comes back; an error here would be counted too.
    broken: () => undefined,
  };
}

/** How many frames a generation has until now. */
export function framesSoFar({ id, log }: Generation): number {
  const renderer = new FrameRenderer(id, '');
  let count = renderer.beginning().length;
  for (let seq = 0; seq < log.seq;) {
    const entry: Entry = log.read(seq, 0);
    seq = entry.seq;
    count += renderer.frames(entry).length;
  }
  return count;
}

/** The place in the line: a comment, which no client sees and none counts, or data. */
function placeInLine(position: number, etaMs: number | undefined, asData: boolean): string {
  if (asData) {
    const data = { position, ...(etaMs !== undefined && { etaMs }) };
    return written({ type: 'data-queue', id: 'queue', data, transient: true });
  }
  const eta = etaMs === undefined ? '' : ` eta_ms=${etaMs}`;
  return `: queued position=${position}${eta}\n\n`;
}

function written(frame: Frame): string {
  return `data: ${JSON.stringify(frame)}\n\n`;
}
