import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import { Oracle, type OracleReader } from './oracle.js';
import type { OracleClient } from './oracle-client.js';
import type { ScriptedUpstream, UpstreamCall } from './scripted-upstream.js';

/** Time between two pieces of an answer, in milliseconds. */
const PIECE_MS = 40;
/** How often is looked for requests at the upstream, in milliseconds. */
const TURN_MS = 5;
/** Before a refused request is made again, in milliseconds. */
const AGAIN_MS = 100;

/** What became of one answer. */
export interface Outcome {
  readonly id: string;
  readonly terminal: TerminalRecord;
  /** When the first of its readers was told the end, by the monotonic clock, in milliseconds. */
  readonly endedAt: number;
  /** How often it was begun at the upstream. */
  readonly attempts: number;
}

/** Something that was not as promised, and when, by the monotonic clock, in milliseconds. */
export interface Problem {
  readonly what: string;
  readonly at: number;
}

interface Asked {
  readonly pieces: number;
  /** What the upstream has sent, by attempt: no two attempts say the same. */
  readonly sent: string[][];
}

/**
 * Clients that ask for one answer after the other, each of which is read by the one that asked and by
 * another one. Every answer is judged by an oracle.
 */
export class Crowd {
  readonly outcomes: Outcome[] = [];
  /** Whatever was not as promised. */
  readonly problems: Problem[] = [];
  private readonly asked = new Map<string, Asked>();
  private isOver = false;
  private readonly going: Promise<void>[];

  /** @param longestMs that an upstream takes for an answer; the shortest takes a tenth of it */
  constructor(
    private readonly clients: readonly OracleClient[],
    private readonly upstream: ScriptedUpstream,
    private readonly longestMs: number,
  ) {
    void this.serve();
    this.going = clients.map((client, at) => this.askOn(client, at));
  }

  /** Asks no more. Resolves when everything that was asked has its end, and is judged. */
  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.going);
  }

  private async askOn(client: OracleClient, at: number): Promise<void> {
    for (let turn = 0; !this.isOver; turn++) {
      await this.askOnce(client, `${at}-${turn}`).catch((error: unknown) =>
        this.complain(`${at}-${turn}: ${String(error)}`),
      );
    }
  }

  private async askOnce(client: OracleClient, prompt: string): Promise<void> {
    const takesMs = this.longestMs * (0.1 + 0.9 * Math.random());
    const asked: Asked = { pieces: Math.ceil(takesMs / PIECE_MS), sent: [] };
    this.asked.set(prompt, asked);
    const oracle = new Oracle();
    const readers = [oracle.reader('who asked'), oracle.reader('who joined')] as const;
    const id = await this.ask(client, readers[0], prompt);
    const others = this.clients.filter((one) => one !== client);
    const other = others[Math.floor(Math.random() * others.length)] ?? client;
    await other.read(id, readers[1]);
    const told = await Promise.all([client, other].map((one) => toldBy(one, id)));
    const { terminal } = told[0]!;
    const endedAt = Math.min(...told.map(({ at }) => at));
    for (const piece of keptOf(asked, readers, terminal)) oracle.sent('text', piece);
    const ends = readers.map((reader, at) => {
      return `${JSON.stringify(reader.terminals)} after ${told[at]!.at - endedAt} ms`;
    });
    for (const one of oracle.problems())
      this.complain(`${prompt}, ${id}: ${one} (${ends.join(' ')})`, endedAt);
    this.outcomes.push({ id, terminal, endedAt, attempts: asked.sent.length });
    this.asked.delete(prompt);
    for (const one of [client, other]) one.forget(id);
  }

  /** Asks until it is accepted: with one idempotency key, on whatever node the client is by then. */
  private async ask(client: OracleClient, reader: OracleReader, prompt: string): Promise<string> {
    for (;;) {
      try {
        return await client.ask(reader, prompt, prompt);
      } catch (error) {
        if ((error as { retryable?: boolean }).retryable === false) throw error;
        await sleep(AGAIN_MS);
      }
    }
  }

  private complain(what: string, at = performance.now()): void {
    this.problems.push({ what, at });
  }

  private async serve(): Promise<void> {
    const { calls } = this.upstream;
    for (let next = 0; !this.isOver || this.asked.size > 0; await sleep(TURN_MS)) {
      while (next < calls.length) void this.answer(calls[next++]!);
    }
  }

  private async answer(call: UpstreamCall): Promise<void> {
    const prompt = String(call.body['prompt']);
    const asked = this.asked.get(prompt);
    if (asked === undefined) return this.complain(`${prompt} was asked after its end`);
    const pieces: string[] = [];
    asked.sent.push(pieces);
    const attempt = asked.sent.length;
    for (let at = 0; at < asked.pieces && call.isOpen; at++) {
      const piece = `${prompt}.${attempt}.${at} `;
      pieces.push(piece);
      call.text(piece);
      await sleep(PIECE_MS);
    }
    if (call.isOpen) call.done();
  }
}

/** What a client was told of an end, and when. */
async function toldBy(
  client: OracleClient,
  id: string,
): Promise<{ terminal: TerminalRecord; at: number }> {
  return { terminal: await client.ended(id), at: performance.now() };
}

/** Of what the upstream has sent, by attempts, that of which the end is. */
function keptOf(
  { sent }: Asked,
  readers: readonly OracleReader[],
  { bytes, sha256 }: TerminalRecord,
): string[] {
  const seen = readers.map(({ pieces }) => pieces.map(([, content]) => content).join(''));
  const proven = sent.filter((pieces) => {
    const all = Buffer.from(pieces.join(''));
    const kept = all.subarray(0, bytes);
    return kept.length === bytes && createHash('sha256').update(kept).digest('hex') === sha256;
  });
  return (
    proven.find((pieces) => seen.every((text) => pieces.join('').startsWith(text))) ??
    proven[0] ??
    []
  );
}
