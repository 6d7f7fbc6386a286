import type { CastService } from '../../cast/cast.service.js';
import type { Gauges, Transport } from '../../generations/gauges.js';
import type { GenerationsService } from '../../generations/generations.service.js';
import { DOORS } from '../../generations/log/reader.js';
import type { GenerationStore } from '../../generations/store/generation-store.js';
import type { States } from './definitions.js';

const STATES = ['queued', 'starting', 'streaming', 'cancelling'] as const;
const TRANSPORTS: readonly Transport[] = ['polling', 'websocket'];

/** What the states are read from. */
export interface Sources {
  readonly cast: Pick<CastService, 'upstreams' | 'cadence'>;
  readonly generations: Pick<GenerationsService, 'all' | 'queue'>;
  readonly store: Pick<GenerationStore, 'held' | 'memory'>;
  readonly gauges: Gauges;
}

/** Reads how things are now into the gauges: at each scrape, and at no other time. */
export async function sample(states: States, sources: Sources): Promise<void> {
  sampleGenerations(states, sources);
  for (const { name: upstream, isAvoided } of sources.cast.upstreams) {
    states.circuit.set({ upstream }, isAvoided ? 1 : 0);
  }
  states.cadence.set(sources.cast.cadence.delayMs / 1_000);
  const sockets = sources.gauges.read('sockets');
  for (const transport of TRANSPORTS) states.sockets.set({ transport }, sockets?.[transport] ?? 0);
  await sampleLine(states, sources);
}

function sampleGenerations(states: States, { generations, store }: Sources): void {
  const running = generations.all().map(({ generation }) => generation.state);
  for (const state of STATES) {
    states.generations.set({ state }, running.filter((one) => one === state).length);
  }
  const readers = new Map<string, number>();
  let behind = 0;
  for (const { log } of store.held()) {
    if (!log.hasReaders) continue;
    behind += log.behindBytes;
    for (const door of log.doors) readers.set(door, (readers.get(door) ?? 0) + 1);
  }
  for (const door of DOORS) states.readers.set({ door }, readers.get(door) ?? 0);
  states.behind.set(behind);
  states.logBytes.set(store.memory.bytes);
  states.evicted.reset();
  for (const [why, count] of Object.entries(store.memory.evicted)) {
    states.evicted.inc({ why }, count);
  }
}

/** Where the line is kept elsewhere and cannot be asked, nothing is said of it. */
async function sampleLine(states: States, { generations }: Sources): Promise<void> {
  const view = await generations.queue().catch(() => undefined);
  states.queueDepth.reset();
  states.slots.reset();
  for (const { name: upstream, running, slots, waiting } of view?.upstreams ?? []) {
    states.queueDepth.set({ upstream }, waiting);
    states.slots.set({ upstream, state: 'used' }, running);
    states.slots.set({ upstream, state: 'free' }, Math.max(0, slots - running));
  }
}
