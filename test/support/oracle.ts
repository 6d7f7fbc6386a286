import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { StreamRecord } from '../../src/protocol/records.js';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import { textOf } from './client.js';

export type Kind = 'text' | 'thinking' | 'refusal' | 'tool_calls';
type Piece = readonly [kind: Kind, content: string];

/** Most text of a merged record, in bytes of UTF-8. */
const MERGED_BYTES = 65_536;
/** Half of a character: a surrogate without the other one. */
const HALF = /\p{Surrogate}/u;

/**
 * Judges one generation: what every client made of it against what the upstream sent. Knows nothing
 * of the server but the contract, so one oracle serves every test in which something goes wrong.
 */
export class Oracle {
  private readonly pieces: Piece[] = [];
  private readonly readers: OracleReader[] = [];

  /** The upstream sent a chunk with this in it; tool calls as JSON. An empty one says nothing. */
  sent(kind: Kind, content: string): void {
    if (content !== '') this.pieces.push([kind, content]);
  }

  /** One client, whatever number of connections it needs. @param after where it begins */
  reader(name = `reader ${this.readers.length + 1}`, after = 0): OracleReader {
    const reader = new OracleReader(name, after);
    this.readers.push(reader);
    return reader;
  }

  /** All text that the upstream sent. */
  get text(): string {
    return textIn(this.pieces);
  }

  /** Characters that every reader has by now. */
  get read(): number {
    return Math.min(...this.readers.map(({ pieces }) => textIn(pieces).length));
  }

  /** Most bytes that some reader has seen, and that the end does not prove. */
  get lost(): number {
    return Math.max(
      ...this.readers.map(({ pieces, terminal }) => {
        return Buffer.byteLength(textIn(pieces)) - (terminal?.bytes ?? 0);
      }),
    );
  }

  /** What is wrong, once everything should have arrived; nothing if all is well. */
  problems(): string[] {
    if (this.readers.length === 0) return ['nobody read it'];
    const terminals = this.readers.flatMap(({ terminals }) => terminals);
    return [
      ...this.readers.flatMap((reader) =>
        [...reader.problems, ...this.judge(reader)].map((problem) => `${reader.name}: ${problem}`),
      ),
      ...(terminals.every((other) => isDeepStrictEqual(told(other), told(terminals[0])))
        ? []
        : ['not everyone was told the same end']),
    ];
  }

  private judge({ after, pieces, terminal }: OracleReader): string[] {
    if (terminal === undefined) return ['no terminal record'];
    // The log has one record for each chunk, so what came before `after` is known.
    const got = [...this.pieces.slice(0, after), ...pieces];
    const all = flat(got);
    const sent = flat(this.pieces);
    const text = textIn(got);
    const problems: string[] = [];
    // A client of a node that was lost may have seen what nobody has kept: the proof is of what was kept.
    const bytes = Buffer.from(text);
    const proven = isOfLostNode(terminal) ? bytes.subarray(0, terminal.bytes) : bytes;
    if (!sent.startsWith(all))
      problems.push(`differs from what was sent: ${difference(sent, all)}`);
    else if (terminal.state === 'completed' && sent !== all) {
      problems.push(`completed, but lacks the last ${sent.length - all.length} characters`);
    }
    if (terminal.bytes !== proven.length) {
      problems.push(`has ${proven.length} bytes, not ${terminal.bytes}`);
    }
    if (terminal.sha256 !== createHash('sha256').update(proven).digest('hex')) {
      problems.push('the text has another sha256');
    }
    return problems;
  }
}

/** A client that applies records by the rule of the protocol and notes what a good server never does. */
export class OracleReader {
  /** Last applied record: where to join again. */
  last: number;
  terminal: TerminalRecord | undefined;
  /** Every terminal record that was delivered, a repeated one too. */
  readonly terminals: TerminalRecord[] = [];
  readonly pieces: Piece[] = [];
  readonly problems: string[] = [];
  private generationId: string | undefined;

  constructor(
    readonly name: string,
    readonly after: number,
  ) {
    this.last = after;
  }

  /** @returns `gap`: not applied, and the client must join again after {@link last} */
  receive(record: StreamRecord): 'applied' | 'dropped' | 'gap' {
    const { seq, from = seq } = record;
    this.generationId ??= record.generationId;
    if (record.generationId !== this.generationId) {
      this.problems.push(`record ${seq} is of another generation`);
      return 'dropped';
    }
    if ('state' in record) this.terminals.push(record);
    if (seq <= this.last) return 'dropped';
    if (from !== this.last + 1) {
      // One that begins too early repeats what is there; one that begins too late has lost something.
      if (from > this.last) this.problems.push(`record ${from} came after ${this.last}`);
      return 'gap';
    }
    this.apply(record);
    return 'applied';
  }

  private apply(record: StreamRecord): void {
    const { seq, from = seq } = record;
    this.last = seq;
    if (this.terminal !== undefined) this.problems.push(`record ${seq} came after the end`);
    if ('state' in record) {
      this.terminal ??= record;
      if (from !== seq && !isOfLostNode(record)) {
        this.problems.push('the terminal record is merged');
      }
      return;
    }
    const pieces = piecesOf(record);
    const text = pieces.map(([, content]) => content).join('');
    if (HALF.test(text)) this.problems.push(`record ${seq} holds half a character`);
    if (from !== seq && Buffer.byteLength(text) > MERGED_BYTES) {
      this.problems.push(`record ${seq} merges more than 64 KiB`);
    }
    this.pieces.push(...pieces);
  }
}

/** What everybody is to be told of an end: of a lost node each its own part, with its own proof. */
function told(record: TerminalRecord | undefined): unknown {
  if (record === undefined || !isOfLostNode(record)) return record;
  const { state, code } = record as TerminalRecord & { code?: string };
  return { state, code };
}

/** Its last record covers all that somebody may have seen. */
function isOfLostNode(record: TerminalRecord): boolean {
  return 'code' in record && record.code === 'node_lost';
}

function piecesOf(record: StreamRecord): Piece[] {
  // A pull's progress is thinned out on purpose: there is no text that could be whole.
  if ('state' in record || 'status' in record) return [];
  const { thinking = '', refusal = '', tool_calls } = 'message' in record ? record.message : record;
  const pieces: Piece[] = [
    ['thinking', thinking],
    ['refusal', refusal],
    ['text', textOf(record)],
    ['tool_calls', tool_calls === undefined ? '' : JSON.stringify(tool_calls)],
  ];
  return pieces.filter(([, content]) => content !== '');
}

function textIn(pieces: readonly Piece[]): string {
  return pieces.map(([kind, content]) => (kind === 'text' ? content : '')).join('');
}

/** One string that is the same however the pieces of a kind are cut. */
function flat(pieces: readonly Piece[]): string {
  let before: Kind | undefined;
  const said = pieces.map(([kind, content]) => {
    const heading = kind === before ? '' : `\0${kind}:`;
    before = kind;
    return heading + content;
  });
  return said.join('');
}

function difference(sent: string, got: string): string {
  let at = 0;
  while (at < got.length && sent[at] === got[at]) at++;
  const show = (text: string): string => JSON.stringify(text.slice(Math.max(0, at - 10), at + 20));
  return `at ${at} ${show(got)} instead of ${show(sent)}`;
}
