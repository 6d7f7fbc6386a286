import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import type { GenerationView, ModelList, Started } from '../protocol/answers.js';
import type { Refusal } from '../protocol/refusal.js';
import type { StreamRecord } from '../protocol/records.js';
import { credentialOf, HOW_TO_GIVE } from './credential.js';
import { CommandError, EXIT } from './exit.js';

/** The server writes a comment every 15 s: a stream that is silent for longer is dead. */
const SILENCE_MS = 45_000;
/** How often in a row it tries to get back, with growing pauses: about half a minute in all. */
const RETRIES = 10;
const MAX_PAUSE_MS = 4_000;
/** The server answers a cancel when the model has stopped. */
const CANCEL_MS = 5_000;

/** There is no answer, or none of llm-cast: the same request may get one later. */
class Unreachable extends CommandError {
  constructor(message: string) {
    super(message, EXIT.tryLater);
  }
}

/** A running llm-cast over REST and Server-Sent Events. What it throws is a `CommandError`. */
export class ServerClient {
  /** @param tokenFile see {@link credentialOf} */
  constructor(
    private readonly url: string,
    private readonly signal: AbortSignal,
    private readonly tokenFile: string | undefined,
  ) {}

  models(): Promise<ModelList> {
    return this.get('/llm/models');
  }

  view(id: string): Promise<GenerationView> {
    return this.get(`/llm/generations/${id}`);
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.json<Answer>(path, { signal: this.signal });
  }

  /**
   * Starts a generation. It is not aborted halfway: who starts something must know what to cancel.
   * Once more with the same key where the answer was lost, which starts nothing twice.
   */
  async start(path: string, body: object): Promise<Started> {
    const request = {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
      body: JSON.stringify(body),
    };
    try {
      return await this.json<Started>(path, request);
    } catch (error) {
      if (!(error instanceof Unreachable) || this.signal.aborted) throw error;
      return this.json<Started>(path, request);
    }
  }

  /** Ends a generation; also after the signal. @returns whether the server knows that it is to */
  async cancel(id: string): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(CANCEL_MS);
      const init = await this.signed({ method: 'DELETE', signal });
      const { status } = await fetch(`${this.url}/llm/generations/${id}`, init);
      return status < 500 && status !== 401;
    } catch {
      return false;
    }
  }

  /**
   * The records of a generation, each exactly once and in order, up to and with the terminal one.
   * When the connection breaks it reads on after the last one it has.
   */
  async *records(id: string): AsyncGenerator<StreamRecord> {
    let last = 0;
    for (let failures = 0; failures <= RETRIES; failures++) {
      if (failures > 0) await this.pause(failures);
      try {
        for await (const record of this.events(id, last)) {
          if ((record.from ?? record.seq) !== last + 1) break;
          last = record.seq;
          failures = 0;
          yield record;
          if ('state' in record) return;
        }
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
      }
    }
    throw new Unreachable(`The connection to ${this.url} broke in the middle of the answer.`);
  }

  private async pause(failures: number): Promise<void> {
    const longest = Math.min(125 * 2 ** failures, MAX_PAUSE_MS);
    await sleep(longest * (0.5 + Math.random() / 2), undefined, { signal: this.signal });
  }

  /** One response of Server-Sent Events, as far as it goes. */
  private async *events(id: string, after: number): AsyncGenerator<StreamRecord> {
    const silence = new AbortController();
    const watch = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const { body } = await this.fetch(`/llm/generations/${id}/events`, {
        headers: { 'last-event-id': String(after) },
        signal: AbortSignal.any([this.signal, silence.signal]),
      });
      const records: StreamRecord[] = [];
      const parser = createParser({
        onEvent: ({ data }) => records.push(JSON.parse(data) as StreamRecord),
      });
      const decoder = new TextDecoder();
      for await (const bytes of this.chunks(body)) {
        watch.refresh();
        parser.feed(decoder.decode(bytes, { stream: true }));
        yield* records.splice(0);
      }
    } finally {
      clearTimeout(watch);
    }
  }

  private async *chunks(body: Response['body']): AsyncGenerator<Uint8Array> {
    try {
      yield* body ?? [];
    } catch {
      this.signal.throwIfAborted();
      throw new Unreachable('The connection broke.');
    }
  }

  private async json<Answer>(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.fetch(path, init);
    try {
      return (await response.json()) as Answer;
    } catch {
      this.signal.throwIfAborted();
      throw new Unreachable(`The answer of ${this.url} broke off, or it is not llm-cast.`);
    }
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    const signed = await this.signed(init);
    let response: Response;
    try {
      response = await fetch(this.url + path, signed);
    } catch {
      if (init.signal) this.signal.throwIfAborted();
      throw new Unreachable(`There is no llm-cast at ${this.url}; is it running?`);
    }
    if (!response.ok) throw await this.refusal(response);
    return response;
  }

  /** The request with the credential, where there is one. */
  private async signed(init: RequestInit): Promise<RequestInit> {
    const credential = await credentialOf(this.tokenFile);
    if (credential === undefined) return init;
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${credential}`);
    return { ...init, headers };
  }

  private async refusal(response: Response): Promise<CommandError> {
    const answer = (await response.json().catch(() => undefined)) as Partial<Refusal> | undefined;
    if (answer?.code !== undefined) {
      const { code, message, details = [], retryable = false } = answer;
      const wrong = details.map(({ path, message }) => ` ${path}: ${message}.`).join('');
      return failure(code, `${message}${wrong}`, retryable);
    }
    const sentence = `${this.url} answers ${response.status}; is it llm-cast?`;
    // A proxy in front of a server that is just starting again says such things.
    if (response.status >= 500) return new Unreachable(sentence);
    return new CommandError(sentence, EXIT.failed);
  }
}

/** What the server says went wrong. */
export function failure(code: string, message: string, retryable: boolean): CommandError {
  const isOfCredential = code === 'unauthorized' || code === 'auth_expired';
  const advice = isOfCredential ? ` ${HOW_TO_GIVE}` : '';
  return new CommandError(`${message} (${code})${advice}`, retryable ? EXIT.tryLater : EXIT.failed);
}
