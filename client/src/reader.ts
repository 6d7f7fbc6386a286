import { type Answer, apply, EMPTY, textOf } from './answer.js';
import { CastError, final } from './cast-error.js';
import type { Link } from './link.js';
import { Listeners } from './listeners.js';
import { isWhole } from './proof.js';
import type { StartedAck, StreamRecord, StreamState, TerminalRecord } from './protocol.js';
import { IDLE, type Result, type View } from './view.js';

/** A request that broke the connection so often would break the next one too. */
const MAX_STARTS = 10;

/** What was added to the text, unless it was replaced by another one. */
export type TextChange = { added: string } | 'replaced';

/** What is read: a generation that is there, or one that has yet to be started. */
export type Source =
  | { generationId: string; answer: Answer; start?: never }
  /** Asks for it, each time under the same idempotency key. */
  | {
      generationId?: never;
      answer?: never;
      start: (answered: (answer: StartedAck) => void) => void;
    };

/** What the connection tells of; nothing happens to what is over. */
export interface Listener {
  /** There is a new connection. */
  up(): void;
  down(): void;
  /** Asks for what comes next, unless that is being asked. */
  ask(): void;
  receive(record: StreamRecord): void;
  hear(state: StreamState): void;
  fail(error: CastError): void;
}

/** Reads one generation to its proven end, over as many connections as that takes. */
export class Reader implements Listener {
  /** Those that show what is read here, and that nobody has left. */
  streams = 0;
  #view: View;
  readonly #listeners = new Listeners<TextChange>();
  readonly #recordListeners = new Listeners<StreamRecord>();
  /** On this connection a start or a join is not yet answered. */
  #isAsking = false;
  #starts = 0;
  #isCancelling = false;
  /** While the text is read anew, because it did not match its proof: what is there of that. */
  #anew: Answer | undefined;
  #terminal: TerminalRecord | undefined;

  constructor(
    private readonly link: Link,
    private readonly source: Source,
  ) {
    const { generationId, answer } = source;
    this.#view = { ...IDLE, state: 'connecting', connected: link.isUp, ...answer, generationId };
  }

  get view(): View {
    return this.#view;
  }

  get isOver(): boolean {
    return (this.#view.result ?? this.#view.error) !== undefined;
  }

  /** @returns a function that ends it */
  subscribe(listener: (text: TextChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Gets each record as it is applied. @returns a function that ends it */
  onRecord(listener: (record: StreamRecord) => void): () => void {
    return this.#recordListeners.add(listener);
  }

  up(): void {
    this.#isAsking = false;
    this.#update({ connected: true });
    this.ask();
  }

  down(): void {
    this.#update({ connected: false });
  }

  ask(): void {
    if (this.isOver || this.#isAsking || !this.link.isUp) return;
    this.#isAsking = true;
    if (this.#view.generationId !== undefined) this.#join(this.#view.generationId);
    else this.#start();
  }

  receive(record: StreamRecord): void {
    if (this.isOver || record.generationId !== this.#view.generationId) return;
    const answer = apply(this.#anew ?? this.#view, record);
    if (answer === 'dropped') return;
    if (answer === 'gap') return this.ask();
    if (this.#anew === undefined) {
      const isEnd = 'state' in record;
      const state = isEnd ? {} : this.#stateOf({ state: 'streaming' });
      this.#update({ ...answer, ...state }, { added: textOf(record) });
      this.#recordListeners.tell(record);
    } else this.#anew = answer;
    if ('state' in record) void this.#prove(answer, record);
  }

  hear(state: StreamState): void {
    if (this.isOver || state.generationId !== this.#view.generationId) return;
    this.#update(this.#stateOf(state));
  }

  cancel(): void {
    if (this.isOver || this.#isCancelling) return;
    if (this.#starts === 0 && this.#view.generationId === undefined) {
      this.fail(final('aborted', 'Cancelled before it was sent.'));
    } else {
      this.#isCancelling = true;
      this.#update({ state: 'cancelling' });
      this.#askCancel();
    }
  }

  /** One of the streams was left: it looks what there is now. The server hears of the last one. */
  leave(error: CastError): void {
    if (--this.streams > 0) return this.#listeners.tell({ added: '' });
    this.#tell('leave');
    this.fail(error);
  }

  fail(error: CastError): void {
    if (!this.isOver) this.#update({ error });
  }

  #start(): void {
    if (++this.#starts > MAX_STARTS) {
      const message = `The connection broke each of ${MAX_STARTS} times that the request was sent.`;
      return this.fail(final('unanswered', message));
    }
    this.source.start?.((answer) => {
      this.#isAsking = false;
      if (!answer.ok) return this.fail(new CastError(answer.error));
      const { generationId } = answer;
      if (this.isOver) {
        this.#view = { ...this.#view, generationId };
        this.#tell('leave');
      } else {
        this.#update({ generationId, ...this.#stateOf(answer) });
        this.#askCancel();
      }
    });
  }

  #join(generationId: string): void {
    const { seq: after } = this.#anew ?? this.#view;
    this.link.ask('join', { generationId, after }, (answer) => {
      this.#isAsking = false;
      // Left meanwhile: the server may have heard of that before it began to read.
      if (this.isOver) return this.#tell('leave');
      if (answer.ok) {
        this.#update(this.#stateOf(answer));
        this.#askCancel();
      } else if (this.#terminal !== undefined) {
        // There was an end, only the text is in doubt, and it is no longer kept.
        this.#end(this.#view, this.#terminal, false);
      } else this.fail(new CastError(answer.error));
    });
  }

  /** What comes of it is said by the terminal record. */
  #askCancel(): void {
    if (this.#isCancelling) this.#tell('cancel');
  }

  #tell(event: 'cancel' | 'leave'): void {
    const { generationId } = this.#view;
    if (generationId !== undefined) this.link.ask(event, { generationId }, () => undefined);
  }

  /** A text that does not match its proof is read anew, once. */
  async #prove(answer: Answer, record: TerminalRecord): Promise<void> {
    const whole = await isWhole(answer.text, record);
    if (this.isOver) return;
    if (whole || this.#anew !== undefined) return this.#end(answer, record, whole);
    this.#terminal = record;
    this.#anew = EMPTY;
    this.#isAsking = false;
    this.ask();
  }

  #end(answer: Answer, record: TerminalRecord, verified: boolean): void {
    const { text } = this.#view;
    const isLonger = answer.text.startsWith(text);
    const change = isLonger ? { added: answer.text.slice(text.length) } : 'replaced';
    const result = { ...record, verified };
    const error = errorOf(result);
    this.#update({ ...answer, ...UNQUEUED, state: record.state, result, error }, change);
  }

  /** What is shown of a state: an end is one only when it is proven, and a cancel is on its way. */
  #stateOf({ state, position, etaMs }: Omit<StreamState, 'generationId'>): Partial<View> {
    if (this.#isCancelling) return UNQUEUED;
    return { ...(!ENDS.has(state) && { state }), position, etaMs };
  }

  #update(change: Partial<View>, text: TextChange = { added: '' }): void {
    this.#view = { ...this.#view, ...change };
    this.#listeners.tell(text);
  }
}

const ENDS: ReadonlySet<string> = new Set<TerminalRecord['state']>([
  'completed',
  'cancelled',
  'failed',
  'interrupted',
]);
const UNQUEUED = { position: undefined, etaMs: undefined };

function errorOf(result: Result): CastError | undefined {
  if ('error' in result) {
    const { code, detail: message, retryable, retryAfterMs } = result;
    return new CastError({ code, message, retryable, retryAfterMs });
  }
  if (result.verified) return undefined;
  return final('text_damaged', 'What arrived is not what was sent.');
}
