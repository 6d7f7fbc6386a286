import { failed, ok, type Verdict, warning } from './finding.js';
import type { Patient } from './patient.js';
import { FORGETTING, OLD_STORE, SLOW_STORE, VOLATILE } from './remedies.js';

/** The oldest version that has what llm-cast asks for (sharded channels). */
const LEAST_VERSION = 7;
/** A start waits for it once or twice. */
const SLOW_MS = 50;

/** What `GET /llm/cluster` says of Redis. */
interface Store {
  latencyMs: number | null;
  version: string | null;
  maxMemoryPolicy: string | null;
  isPersistent: boolean | null;
}

/**
 * The Redis of several nodes is new enough, near, and neither forgets nor loses what it is given. Of a
 * server that is alone, or tells only operators of its nodes, there is nothing to find.
 */
export async function checkStore(patient: Patient, signal: AbortSignal): Promise<Verdict[]> {
  const answer = await patient.rest('/llm/cluster', { signal });
  if (answer.status !== 200) return [];
  const { store } = answer.json as unknown as { store: Store };
  const { version, latencyMs, maxMemoryPolicy, isPersistent } = store;
  if (version === null) return [];
  const wrong: Verdict[] = [];
  if (Number.parseInt(version, 10) < LEAST_VERSION) {
    return [failed(`Redis is version ${version}; llm-cast needs ${LEAST_VERSION}.`, OLD_STORE)];
  }
  if (maxMemoryPolicy !== null && maxMemoryPolicy !== 'noeviction') {
    const what = `When Redis is full, it forgets what is still needed (${maxMemoryPolicy}).`;
    wrong.push(warning(what, FORGETTING));
  }
  if (isPersistent === false) {
    wrong.push(warning('Redis comes back empty when it is started again.', VOLATILE));
  }
  if (latencyMs !== null && latencyMs > SLOW_MS) {
    wrong.push(warning(`Redis takes ${Math.round(latencyMs)} ms for an answer.`, SLOW_STORE));
  }
  if (wrong.length > 0) return wrong;
  return [ok(`Redis ${version} answers in ${latencyMs ?? '?'} ms, and keeps what it has.`)];
}
