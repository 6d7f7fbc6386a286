import { type Answer, Fault } from './answer.js';
import type { Examination } from './examination.js';
import type { Protocol, Seen } from './protocol.js';

/** One thing that a server can do right or wrong. */
export interface Point {
  readonly id: string;
  /** One sentence that is true of a server that does it right. */
  readonly title: string;
  /** Why it does not apply to this protocol; undefined where it does. */
  skips?(protocol: Protocol): string | undefined;
  /** The upstream fails in it: a good answer has to follow, for gateways leave an upstream alone that fails again and again. */
  readonly failsUpstream?: true;
  /** @throws Fault @throws Absent where the server has no such thing */
  check(examination: Examination): Promise<void>;
}

/** Skips what is about answers that are not streamed, where the protocol has none. */
export const notStreamed: Point['skips'] = ({ canBeWhole }) =>
  canBeWhole ? undefined : 'this protocol always streams';

/** The server under test does not have what the point is about, and need not have it. */
export class Absent extends Error {}

/** @throws Fault */
export function expect(isTrue: boolean, otherwise: string): asserts isTrue {
  if (!isTrue) throw new Fault(otherwise);
}

/** What has to be true of a whole answer. @throws Fault */
export function expectWhole(seen: Seen, answer: Answer, text: string): void {
  const { error } = seen;
  expect(error === undefined, `an error: ${error}`);
  expect(answer.status === 200, `no HTTP status 200${answer.excerpt()}`);
  expect(seen.isWhole, `no end mark${answer.excerpt()}`);
  expect(seen.text === text, `the text ${JSON.stringify(seen.text)}, not ${JSON.stringify(text)}`);
  expect(answer.ending === 'clean', 'the connection was cut behind the end');
}

/**
 * What has to be true of an answer whose upstream failed in the midst of it: the client library throws.
 * @throws Fault
 */
export function expectError(seen: Seen, answer: Answer): void {
  if ((answer.status ?? 0) >= 400 || answer.ending === 'cut' || seen.error !== undefined) return;
  const end = seen.isWhole ? 'a proper end' : 'a clean end of the connection';
  throw new Fault(`${end} and no error: clients show a short answer as a whole one`);
}

/**
 * What has to be true of a refusal: a status that says so, and a body whose message the clients show.
 * @throws Fault
 */
export function expectRefusal(answer: Answer, protocol: Protocol): void {
  const { status = 0 } = answer;
  expect(status >= 400, `HTTP ${status} for what failed`);
  expect(
    protocol.refusal(answer) !== undefined,
    `no error in the form of the protocol${answer.excerpt()}`,
  );
}
