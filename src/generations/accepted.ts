import type { StartedAck } from '../protocol/socket-events.js';
import type { Generation } from './generation.js';

/** A generation that was asked for: a new one, or the one an idempotency key stands for. */
export interface Accepted {
  generation: Generation;
  deduplicated: boolean;
}

/** What whoever asked is told of it, over REST and in an ack alike. */
export function startedOf({ generation, deduplicated }: Accepted): StartedAck {
  const { generationId, state, position, etaMs } = generation.status;
  return {
    generationId,
    state,
    ...(position !== undefined && { position }),
    ...(etaMs !== undefined && { etaMs }),
    ...(deduplicated && { deduplicated }),
  };
}
