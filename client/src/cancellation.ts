import { CastError } from './cast-error.js';
import type { Link } from './link.js';
import type { StreamRecord, TerminalRecord } from './protocol.js';
import type { Listener } from './reader.js';

/** Cancels a generation that is not read here, and fetches its last record only. */
export class Cancellation implements Listener {
  readonly ended: Promise<TerminalRecord>;
  isOver = false;
  #resolve!: (record: TerminalRecord) => void;
  #reject!: (error: CastError) => void;

  constructor(
    private readonly link: Link,
    private readonly generationId: string,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  up(): void {
    this.ask();
  }

  down(): void {}

  ask(): void {
    const { link, generationId } = this;
    if (this.isOver) return;
    link.ask('cancel', { generationId }, (cancelled) => {
      if (!cancelled.ok) return this.fail(new CastError(cancelled.error));
      link.ask('join', { generationId, after: cancelled.seq - 1 }, (joined) => {
        if (!joined.ok) this.fail(new CastError(joined.error));
      });
    });
  }

  receive(record: StreamRecord): void {
    if (record.generationId !== this.generationId || !('state' in record)) return;
    this.isOver = true;
    this.#resolve(record);
  }

  hear(): void {}

  fail(error: CastError): void {
    this.isOver = true;
    this.#reject(error);
  }
}
