import type { ModelList, QueueView, StreamRecord, TerminalRecord } from 'llm-cast-client';
import { unlessLost } from './connection.js';
import { failed, ok, skipped, type Verdict, warning } from './finding.js';
import type { Patient } from './patient.js';
import { askModel, upstreamDown, upstreamRedirects, WAIT } from './remedies.js';

const PROMPT = 'Count from one to ten, in words.';
/** Enough to measure a speed, and little to pay. */
const MAX_TOKENS = 64;

/** Each upstream: whether it answers, and what it does. */
export async function checkUpstreams(patient: Patient, signal: AbortSignal): Promise<Verdict[]> {
  const { upstreams = [] } = patient.readiness ?? {};
  const [models, queue] = await Promise.all([
    patient.rest('/llm/models', { signal }),
    patient.rest('/llm/queue', { signal }),
  ]);
  const { models: listed = [] } = (models.json ?? {}) as Partial<ModelList>;
  const { upstreams: lines = [] } = (queue.json ?? {}) as Partial<QueueView>;
  const isNoneThere = upstreams.every(({ reachable }) => !reachable);
  return upstreams.map(({ name, reachable, circuit }): Verdict => {
    const title = `Upstream ${name}`;
    if (!reachable) {
      // The refusal is that of the first one.
      const reason = isNoneThere && name === upstreams[0]?.name ? models.json?.['message'] : null;
      const what = typeof reason === 'string' ? reason : 'It does not answer.';
      return isNoneThere
        ? {
            title,
            ...failed(what, isRedirect(what) ? upstreamRedirects(name) : upstreamDown(name)),
          }
        : { title, ...warning(`${what} The others serve.`, upstreamDown(name)) };
    }
    const count = listed.filter(({ upstream }) => upstream === name).length;
    const { running = 0, slots = 0, waiting = 0 } = lines.find((line) => line.name === name) ?? {};
    const what = `It answers: ${count === 0 ? 'no models listed' : `${count} ${count === 1 ? 'model' : 'models'}`}, ${running} of ${slots} ${slots === 1 ? 'slot' : 'slots'} in use, ${waiting} waiting.`;
    return circuit === 'closed'
      ? { title, ...ok(what) }
      : { title, ...warning(`${what} It failed lately.`, upstreamDown(name)) };
  });
}

function isRedirect(what: string): boolean {
  return what.includes('answers with a redirect');
}

/** The model of requests that name none is there. */
export async function checkModel(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const { model = '', allowPull = false, isModelHidden = false } = patient.page ?? {};
  const answer = await patient.rest('/llm/models', { signal });
  const { models = [] } = (answer.json ?? {}) as Partial<ModelList>;
  const found = models.find(({ name, upstream }) =>
    isOllama(upstream) ? canonical(name) === canonical(model) : name === model,
  );
  if (found !== undefined) {
    return ok(
      `${found.name} is there${found.loaded ? ', and loaded' : '; its first answer waits until it is loaded'}.`,
    );
  }
  const { upstreams = [] } = patient.readiness ?? {};
  const mute = upstreams.find(
    ({ name, reachable }) =>
      reachable && !isOllama(name) && models.every(({ upstream }) => upstream !== name),
  );
  if (mute !== undefined) {
    return warning(
      `Nobody can tell whether ${model} is there: upstream ${mute.name} lists no models, and is asked for any.`,
      askModel(patient.restUrl),
    );
  }
  if (isModelHidden) {
    return warning(
      `${model} is hidden, as ALLOWED_MODELS does not name it: only requests that name no model get it, and no list tells whether it is there.`,
      askModel(patient.restUrl),
    );
  }
  const isOllamas = upstreams.some(({ name }) => isOllama(name));
  const [other] = models;
  const pull = allowPull
    ? `llm-cast pull ${model} --url ${patient.restUrl}`
    : `ollama pull ${model}`;
  const choose = `${isOllamas ? 'OLLAMA_MODEL' : 'OPENAI_MODEL'}=${other?.name ?? '…'}`;
  return failed(`No upstream lists ${model}.`, {
    how: `${isOllamas ? 'Pull it where Ollama runs, or choose' : 'Choose'} one that is there in the settings of llm-cast; where ALLOWED_MODELS is set, it should name it too.`,
    lines: isOllamas ? `${pull}\n# or\n${choose}` : choose,
  });
}

/** One short answer, from the socket to the model and back, with proof that all of it arrived. */
export async function checkGenerate(patient: Patient): Promise<Verdict> {
  const { connection } = patient;
  if (connection === undefined) return skipped('Not checked: there is no connection.');
  const { socket } = connection;
  const arrived: { record: StreamRecord; ms: number }[] = [];
  const since = performance.now();
  socket.on('streamData', (record) => {
    arrived.push({ record, ms: performance.now() - since });
  });
  const options = { num_predict: MAX_TOKENS };
  const answered = socket.emitWithAck('generate', { prompt: PROMPT, options });
  patient.cancel = async (signal) => {
    const started = await answered;
    if (!started.ok) return;
    // Over REST, as the connection may be lost by then.
    await patient.rest(`/llm/generations/${started.generationId}`, { method: 'DELETE', signal });
  };
  const started = await unlessLost(connection, answered);
  if (!started.ok) return failed(started.error.message, WAIT);
  const { generationId } = started;
  // The user's other tabs may have answers shown to this socket too.
  const isOwn = (record: StreamRecord): boolean => record.generationId === generationId;
  const ended = new Promise<TerminalRecord>((resolve) => {
    const look = (record: StreamRecord): void => {
      if (isOwn(record) && 'state' in record) resolve(record);
    };
    for (const { record } of arrived) look(record);
    socket.on('streamData', look);
  });
  const end = await unlessLost(connection, ended);
  const own = arrived.filter(({ record }) => isOwn(record));
  if (end.state !== 'completed') {
    return failed('detail' in end ? `${end.detail} (${end.code})` : 'It was cancelled.', {
      how: 'The log of llm-cast says more, under this id:',
      lines: generationId,
    });
  }
  const records = own.map(({ record }) => record);
  const lost = await missing(records, end);
  if (lost !== undefined) {
    return failed(lost, {
      how: 'Something between here and llm-cast changes what is sent. The log knows it under this id:',
      lines: generationId,
    });
  }
  const speed = end.timings.tokensPerSecond?.toFixed(1) ?? 'an unknown number of';
  const proof = isHashable ? ', as their SHA-256 proves' : '';
  return ok(
    `First token after ${Math.round(own[0]?.ms ?? 0)} ms, then ${speed} tokens a second; all ${end.bytes} bytes arrived${proof}.`,
  );
}

/** Browsers have SHA-256 only on pages that came over https or from this machine. */
const isHashable = 'subtle' in crypto && crypto.subtle !== undefined;

/** What is wrong with the records of a completed generation, by the protocol's rule and its proof. */
async function missing(
  records: readonly StreamRecord[],
  { bytes, sha256 }: TerminalRecord,
): Promise<string | undefined> {
  let last = 0;
  for (const { seq, from = seq } of records) {
    if (from !== last + 1) return `Record ${from} came after record ${last}.`;
    last = seq;
  }
  const utf8 = new TextEncoder().encode(records.map(textOf).join(''));
  if (utf8.length !== bytes) return `${utf8.length} of ${bytes} bytes arrived.`;
  if (!isHashable) return undefined;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', utf8));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === sha256 ? undefined : 'The text that arrived is not the one that was sent.';
}

function textOf(record: StreamRecord): string {
  return 'response' in record ? record.response : '';
}

/** llm-cast calls the others otherwise. */
const isOllama = (upstream: string): boolean => upstream.startsWith('ollama');

/** Ollama compares names without case, and the tag is `latest` where none is written. */
function canonical(model: string): string {
  const name = model.toLowerCase();
  return name.slice(name.lastIndexOf('/') + 1).includes(':') ? name : `${name}:latest`;
}
