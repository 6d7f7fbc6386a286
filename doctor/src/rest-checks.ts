import type { Me, Readiness } from 'llm-cast-client';
import { type Answer, ask, describe, isGatewayError, request } from './ask.js';
import { Failure, failed, ok, type Verdict, warning } from './finding.js';
import type { PageInfo, Patient } from './patient.js';
import {
  allowOrigin,
  BUFFERING,
  DRAINING,
  NO_STORE,
  NO_UPSTREAM,
  otherScheme,
  START,
  TOKEN,
} from './remedies.js';

/** What `GET /health/stream` sends. */
const EVENTS = 5;
const SPACING_MS = 200;
const SENT_OVER_MS = (EVENTS - 1) * SPACING_MS;
/** On a busy machine a bit less arrives than was sent. */
const LEAST_SPREAD_MS = SENT_OVER_MS / 2;

/** REST answers, and it is llm-cast that does. */
export async function checkRest(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const live = await ask(`${patient.restUrl}/health/live`, { signal });
  if (live.json?.['status'] !== 'ok') {
    throw (await besideIt(patient, live, signal)) ?? notLlmCast(patient, live);
  }
  const { origin } = new URL(live.url);
  if (origin !== new URL(patient.restUrl).origin) {
    return failed(
      `${patient.restUrl} redirects to ${origin}, which POST requests do not survive.`,
      {
        how: 'Give that address, to the doctor and to whatever uses llm-cast:',
        lines: live.url.replace(/\/health\/live$/, ''),
      },
    );
  }
  const page = await ask(`${patient.restUrl}/page.json`, { signal });
  if (typeof page.json?.['socketPort'] !== 'number') {
    return failed(`/health/live answers, but /page.json does not (${describe(page)}).`, {
      how: 'Let the proxy send every path to llm-cast, and bring llm-cast up to date. In nginx:',
      lines: 'location / {\n    proxy_pass http://127.0.0.1:3000;\n}',
    });
  }
  patient.page = page.json as unknown as PageInfo;
  return ok(`llm-cast answers at ${patient.restUrl}, in ${Math.round(live.ms)} ms.`);
}

/** It serves this caller: as somebody whom it knows, or as anybody. */
export async function checkAccess(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const answer = await patient.rest('/llm/me', { signal });
  const { kind, sub, tenant, key, expiresAt } = (answer.json ?? {}) as Partial<Me>;
  switch (kind) {
    case 'anonymous':
      return ok('It serves callers without a key or token.');
    case 'key':
      return ok(`It knows the API key ${key} of tenant ${tenant}.`);
    case 'user':
      return ok(`It knows the user ${sub} of tenant ${tenant}, until ${expiresAt}.`);
    case 'link':
      return failed('This token is a link to one generation, and good for nothing else.', TOKEN);
    default:
      // An older one asks nobody.
      if (answer.json?.['code'] === 'not_found') return ok('It asks nobody who they are.');
      if (answer.json?.['code'] !== 'rate_limited') throw notLlmCast(patient, answer);
      return failed(String(answer.json['message']), TOKEN);
  }
}

/** It is not about to end, and has somebody to ask. */
export async function checkReady(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  const answer = await patient.rest('/health/ready', { signal });
  const readiness = answer.json as unknown as Readiness | undefined;
  switch (readiness?.status) {
    case 'ok':
    case 'no_upstream':
      patient.readiness = readiness;
      return readiness.status === 'ok'
        ? ok('It takes requests.')
        : warning(
            `It is up, but none of its upstreams answers, so it calls itself not ready (${answer.status}).`,
            NO_UPSTREAM,
          );
    case 'no_store':
      return failed(
        'It cannot reach the Redis that its nodes share, and takes no new requests.',
        NO_STORE,
      );
    case 'draining':
      return failed('It is shutting down, and takes no new requests.', DRAINING);
    default:
      throw notLlmCast(patient, answer);
  }
}

/**
 * Server-Sent Events arrive when they are sent: five, 200 ms apart. Only the time between them
 * counts, which no clock and no distance changes.
 */
export async function checkStream(patient: Patient, signal: AbortSignal): Promise<Verdict> {
  // A lump may be that of a busy reader: only one that comes again is a proxy's.
  let arrivals = await arrivalsOfEvents(patient, signal);
  if (spreadOf(arrivals) < LEAST_SPREAD_MS) arrivals = await arrivalsOfEvents(patient, signal);
  if (arrivals.length < EVENTS) {
    return failed(`The stream broke after ${arrivals.length} of ${EVENTS} events.`, {
      how: 'Something between here and llm-cast cuts answers that take longer. In nginx:',
      lines: 'proxy_buffering off;\nproxy_read_timeout 1h;',
    });
  }
  const spread = spreadOf(arrivals);
  const said = `${EVENTS} events, sent over ${SENT_OVER_MS} ms, arrived over ${spread} ms`;
  return spread < LEAST_SPREAD_MS
    ? failed(`${said}: something holds answers back, so tokens come late and in lumps.`, BUFFERING)
    : ok(`${said}.`);
}

/** When each event of one stream arrived. */
async function arrivalsOfEvents({ restUrl }: Patient, signal: AbortSignal): Promise<number[]> {
  const url = `${restUrl}/health/stream`;
  const { body, ok: isThere, status } = await request(url, { signal });
  if (!isThere || body === null) throw new Failure(`/health/stream answers ${status}.`, START);
  const arrivals: number[] = [];
  try {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      // The network cuts anywhere.
      text += decoder.decode(part.value, { stream: true });
      const events = text.match(/^data:/gm)?.length ?? 0;
      while (arrivals.length < events) arrivals.push(performance.now());
    }
  } catch {
    // What has arrived before it broke tells enough.
    signal.throwIfAborted();
  }
  return arrivals;
}

const spreadOf = (arrivals: readonly number[]): number =>
  Math.round((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0));

/** Where llm-cast has nothing at this path, and is what answers at its origin. */
async function besideIt(
  { restUrl }: Patient,
  { json }: Answer,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const { origin, pathname } = new URL(restUrl);
  if (json?.['code'] !== 'not_found' || pathname === '/') return undefined;
  const there = await ask(`${origin}/health/live`, { signal });
  if (there.json?.['status'] !== 'ok') return undefined;
  return new Failure(`llm-cast answers at ${origin}, and not below ${pathname}.`, {
    how: 'Give that address. Where a proxy shows llm-cast below the path and does not take it off, name the path in the settings of llm-cast:',
    lines: `${origin}\n# or\nBASE_PATH=${pathname}`,
  });
}

/** What it may be that answers in place of llm-cast. */
function notLlmCast({ restUrl }: Patient, answer: Answer): Failure {
  const { host, hostname } = new URL(restUrl);
  if (answer.json?.['code'] === 'forbidden') {
    return new Failure(
      `llm-cast is there, but does not answer under the name ${hostname}.`,
      allowOrigin(new URL(restUrl).origin),
    );
  }
  if (answer.json?.['code'] === 'not_found') {
    return new Failure(`This is the Socket.IO port of llm-cast, not that of REST.`, {
      how: 'Give the address of REST; its port is 3000 unless PORT says otherwise.',
    });
  }
  if (/HTTPS port/.test(answer.text)) {
    return new Failure(`${host} expects TLS.`, otherScheme(`https://${host}`));
  }
  if (isGatewayError(answer)) {
    return new Failure(
      `A proxy answers at ${host} (${answer.status}): it does not reach llm-cast.`,
      START,
    );
  }
  return new Failure(
    `Something other than llm-cast answers at ${host} (${describe(answer)}).`,
    START,
  );
}
