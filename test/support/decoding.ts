import * as fc from 'fast-check';
import type { Decoder } from '../../src/cast/decoding/decoder.js';
import type { Part } from '../../src/cast/part.js';
import { CastError } from '../../src/protocol/errors.js';
import { cut } from './cut.js';
import { type WireCase, wireCalls, wireUsage } from './wire-case.js';

/** Reads as `exchange` does: nothing more once the decoder is done or has refused. */
export function decode(
  decoder: Decoder<Part>,
  pieces: readonly (string | Buffer)[],
): (Part | CastError)[] {
  const parts: Part[] = [];
  try {
    for (const piece of pieces) if (!decoder.done) decoder.push(Buffer.from(piece), parts);
    if (!decoder.done) decoder.end(parts);
  } catch (error) {
    if (!decoder.done) return [...parts, error as CastError];
  }
  return parts;
}

/** In the words of the wire cases. What a failed record makes of `retryable` is not decided here. */
export function eventOf(said: Part | CastError): Record<string, unknown> {
  if (said instanceof CastError) return { type: 'error', code: said.code };
  const { createdAt: _at, ...part } = said;
  switch (part.type) {
    case 'tool_calls':
      return { type: part.type, calls: wireCalls(part.calls) };
    case 'done':
      return { type: part.type, reason: part.reason, usage: wireUsage(part.usage) };
    default:
      return part;
  }
}

/**
 * Whether the case's bytes give its events: as it cuts them, in one piece, byte by byte, and cut at
 * random; and whether the log is told what the case says of its error.
 */
export function expectEvents(
  { expect: { events } }: WireCase,
  pieces: readonly Buffer[],
  read: (pieces: readonly Buffer[]) => (Part | CastError)[],
): void {
  const bytes = Buffer.concat(pieces);
  const expected = events.map(({ message_contains: _text, status: _status, ...event }) =>
    expect.objectContaining(
      event.type === 'error' ? { type: event.type, code: event.code } : event,
    ),
  );
  const check = (cutUp: readonly Buffer[]): void =>
    expect(read(cutUp).map(eventOf)).toEqual(expected);

  check(pieces);
  check([bytes]);
  check(cut(bytes, [...bytes.keys()]));
  const places = fc.array(fc.nat(), { maxLength: 20 });
  fc.assert(
    fc.property(places, (at) => check(cut(bytes, at))),
    { numRuns: 30 },
  );

  const failure = read(pieces).find((said) => said instanceof CastError);
  const logged = events.at(-1)?.message_contains;
  if (logged !== undefined) expect(String(failure?.cause)).toContain(logged);
}
