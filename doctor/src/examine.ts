import { type CheckId, Failure, failed, type Finding, skipped, type Verdict } from './finding.js';
import { checkGenerate, checkModel, checkUpstreams } from './model-checks.js';
import { Patient } from './patient.js';
import { BUG, WAIT } from './remedies.js';
import { checkAccess, checkReady, checkRest, checkStream } from './rest-checks.js';
import { checkStore } from './store-check.js';
import {
  checkIdle,
  checkOrigin,
  checkPing,
  checkPolling,
  checkSocket,
  checkUpgrade,
  checkWebSocket,
} from './socket-checks.js';

/** How long an answer that nobody reads any more may take to be cancelled. */
const CANCEL_MS = 5_000;

interface Check {
  id: CheckId;
  title: string;
  /** What must be in order for it to make sense. */
  needs: readonly CheckId[];
  /** Says nothing where it cannot be made: most servers have nothing to check there. */
  isQuiet?: true;
  /** Longest time it may take. */
  limitMs: number;
  run: (patient: Patient, signal: AbortSignal) => Promise<Verdict | Verdict[]>;
}

/** In the order in which they are made. */
export const CHECKS: readonly Check[] = [
  { id: 'rest', title: 'REST server', needs: [], limitMs: 5_000, run: checkRest },
  { id: 'access', title: 'Access', needs: ['rest'], limitMs: 5_000, run: checkAccess },
  { id: 'ready', title: 'Readiness', needs: ['rest'], limitMs: 5_000, run: checkReady },
  {
    id: 'stream',
    title: 'Streaming over REST',
    needs: ['rest'],
    limitMs: 10_000,
    run: checkStream,
  },
  { id: 'socket', title: 'Socket.IO server', needs: ['rest'], limitMs: 5_000, run: checkSocket },
  {
    id: 'origin',
    title: 'Origin of the page',
    needs: ['socket', 'access'],
    limitMs: 10_000,
    run: checkOrigin,
  },
  { id: 'polling', title: 'Polling', needs: ['origin'], limitMs: 10_000, run: checkPolling },
  { id: 'websocket', title: 'WebSocket', needs: ['origin'], limitMs: 10_000, run: checkWebSocket },
  {
    id: 'upgrade',
    title: 'Upgrade to WebSocket',
    needs: ['polling', 'websocket'],
    limitMs: 10_000,
    run: checkUpgrade,
  },
  { id: 'ping', title: 'Round trips', needs: ['origin'], limitMs: 20_000, run: checkPing },
  {
    id: 'store',
    title: 'Redis',
    needs: ['ready', 'access'],
    isQuiet: true,
    limitMs: 5_000,
    run: checkStore,
  },
  {
    id: 'upstream',
    title: 'Upstreams',
    needs: ['ready', 'access'],
    limitMs: 5_000,
    run: checkUpstreams,
  },
  { id: 'model', title: 'Default model', needs: ['upstream'], limitMs: 5_000, run: checkModel },
  {
    id: 'generate',
    title: 'An answer',
    needs: ['origin', 'model'],
    limitMs: 120_000,
    run: checkGenerate,
  },
  { id: 'idle', title: 'Unused connections', needs: ['origin'], limitMs: 30_000, run: checkIdle },
];

/** Those of a run, in their order. @param generate whether the model is asked */
export const checksOf = (generate: boolean): readonly Check[] =>
  CHECKS.filter(({ id }) => generate || id !== 'generate');

export interface ExamineOptions {
  /** Of the page that is to use it. A browser sends its own, which this must be. */
  origin: string;
  /** Also asks the model for a short answer, which costs the GPU. */
  generate?: boolean;
  /** A key or token that the server is shown. */
  token?: string | undefined;
  /** Ends it early, with what it aborts with. */
  signal?: AbortSignal;
}

/**
 * Examines a running llm-cast as its pages see it, and gives what each check finds as soon as it has
 * it; an upstream each has its own finding. Takes some 12 s, most of it for the last check.
 * @param url of REST, without a trailing slash
 */
export async function* examine(
  url: string,
  { origin, generate = false, token, signal }: ExamineOptions,
): AsyncGenerator<Finding> {
  const patient = new Patient(url, origin, token);
  const sound = new Set<CheckId>();
  try {
    for (const check of checksOf(generate)) {
      const verdicts = [await judge(check, patient, sound, signal)].flat();
      const isSound = verdicts.every(({ status }) => status === 'ok' || status === 'warning');
      if (isSound) sound.add(check.id);
      for (const verdict of verdicts) yield { id: check.id, title: check.title, ...verdict };
    }
  } finally {
    patient.discharge();
  }
}

async function judge(
  { needs, isQuiet, limitMs, run }: Check,
  patient: Patient,
  sound: ReadonlySet<CheckId>,
  signal: AbortSignal | undefined,
): Promise<Verdict | Verdict[]> {
  const missing = CHECKS.filter(({ id }) => needs.includes(id) && !sound.has(id));
  if (missing.length > 0) {
    if (isQuiet) return [];
    const titles = missing.map(({ title }) => `“${title}”`).join(' and ');
    return skipped(`Not checked: it needs ${titles}.`);
  }
  const limit = AbortSignal.timeout(limitMs);
  const over = new AbortController();
  const either = firstOf([limit, ...(signal === undefined ? [] : [signal])], over.signal);
  try {
    return await Promise.race([run(patient, either), aborted(either)]);
  } catch (error) {
    const isTooLate = limit.aborted;
    await cancelUnread(patient);
    signal?.throwIfAborted();
    if (error instanceof Failure) return failed(error.message, error.mend);
    if (isTooLate) return failed(`No answer within ${limitMs / 1000} s.`, WAIT);
    return failed(`This check itself failed: ${String(error)}`, BUG);
  } finally {
    over.abort();
    patient.cancel = undefined;
  }
}

/** Aborts with the first that does, until it is `over`: `AbortSignal.any` is in browsers since 2024 only. */
function firstOf(signals: readonly AbortSignal[], over: AbortSignal): AbortSignal {
  const first = new AbortController();
  for (const one of signals) {
    const abort = (): void => first.abort(one.reason);
    if (one.aborted) abort();
    else one.addEventListener('abort', abort, { signal: over });
  }
  return first.signal;
}

/** Nobody reads that answer any more: the GPU is for somebody else. */
async function cancelUnread({ cancel }: Patient): Promise<void> {
  if (cancel === undefined) return;
  const limit = AbortSignal.timeout(CANCEL_MS);
  // Where it cannot be cancelled, the server ends it itself once it has waited for a reader.
  await Promise.race([cancel(limit), aborted(limit)]).catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
