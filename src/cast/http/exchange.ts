import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { HttpService } from '@nestjs/axios';
import type { CancelToken } from 'axios';
import { Observable, type Subscriber, type Subscription } from 'rxjs';
import { CastError } from '../../protocol/errors.js';
import { stringifyExact } from '../../protocol/exact-json.js';
import { StopSignal } from '../stop-signal.js';
import { ConnectTimeout } from './adapter.js';
import { BodyPace } from './body-pace.js';
import { SilenceWatch } from './silence-watch.js';
import type { UpstreamCall } from './upstream-call.js';

/** Longest body of a refusal that is read for its message. */
const REFUSAL_BYTES = 65_536;
/** Longest time that the body of a refusal may take: its status is known by then. */
const REFUSAL_MS = 2_000;
/** Longest time that an answer may stay open after its final record. */
const END_GRACE_MS = 100;
/** Longest wait for the final record of an answer that misses nothing else. */
const WHOLE_GRACE_MS = 5_000;

/**
 * Makes one request. The Observable emits what each read of the body brought, all of it at once. It
 * completes or fails only when the request is over: the response ended, or its socket is destroyed.
 * Unsubscribing destroys the socket. See {@link Exchange} for how an answer ends.
 * @throws CastError through the Observable
 */
export function exchange<T>(http: HttpService, call: UpstreamCall<T>): Observable<T[]> {
  return new Observable<T[]>((out) => {
    const running = new Exchange(call, out);
    running.send(http);
    return () => running.leave();
  });
}

/**
 * One request and its answer, step by step: {@link send}, {@link receive} the headers, then
 * {@link readRefusal} or {@link readBody}, and {@link finish}. Each step sets the timer that bounds
 * the next one. The decoder says when the answer is done; an answer that is whole but for its final
 * record also ends well when the upstream says no more, only pings, or drops the connection.
 */
export class Exchange<T> {
  private readonly signal = new StopSignal();
  private readonly silence: SilenceWatch;
  private pace: BodyPace | undefined;
  private request: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Why the request was stopped before its own end. */
  private failure: unknown;
  private isOver = false;
  /** Something of the answer came. */
  private hasSaid = false;
  /** Until when it has time for that, on the clock of `performance`. */
  private beginBy = 0;
  private awaited: 'beginning' | 'more' | 'final record' | 'end' = 'beginning';

  constructor(
    private readonly call: UpstreamCall<T>,
    private readonly out: Pick<Subscriber<T[]>, 'next' | 'error' | 'complete'>,
  ) {
    this.silence = new SilenceWatch(call.idleTimeoutMs, () => this.fellSilent());
  }

  /** Sends the request; the headers of the answer go to {@link receive}. */
  send(http: HttpService): void {
    const { call } = this;
    this.beginBy = performance.now() + call.firstByteTimeoutMs;
    this.wait(call.firstByteTimeoutMs, () => this.stop(new CastError('first_byte_timeout')));
    this.request = http
      .request<IncomingMessage>({
        method: call.method,
        url: call.url,
        headers: {
          Accept: call.accept.join(', '),
          // Compression would hold back tokens, and nothing here decodes it.
          'Accept-Encoding': 'identity',
          'User-Agent': 'llm-cast',
          ...(call.body !== undefined && { 'Content-Type': 'application/json' }),
          ...call.headers,
        },
        // Behind bytes Node writes the header by itself: one string of many pieces, and less to keep.
        ...(call.body !== undefined && { data: Buffer.from(stringifyExact(call.body)) }),
        responseType: 'stream',
        timeout: call.connectTimeoutMs,
        cancelToken: this.signal as unknown as CancelToken,
      })
      .subscribe({
        next: ({ status, data }) => this.receive(status, data),
        error: (error: unknown) => this.finish(this.failure ?? networkError(error)),
      });
  }

  /** The headers are here. A body of the wrong type is not read; its end is still waited for. */
  receive(status: number, answer: IncomingMessage): void {
    if (status < 200 || status > 299) return this.readRefusal(status, answer);
    if (!isReadable(answer.headers, this.call.accept)) {
      this.stop(new CastError('bad_content_type'));
    }
    this.readBody(answer);
  }

  /** Reads the beginning of a refusal's body for its message. */
  readRefusal(status: number, answer: IncomingMessage): void {
    const pieces: Buffer[] = [];
    let size = 0;
    this.wait(REFUSAL_MS, () => this.stop());
    const refuse = (): void => {
      const body = Buffer.concat(pieces, size).toString('utf8');
      this.finish(this.failure ?? this.call.refused(status, body, answer.headers));
    };
    answer.on('data', (bytes: Buffer) => {
      pieces.push(bytes);
      size += bytes.length;
      if (size > REFUSAL_BYTES) this.stop();
    });
    answer.once('end', refuse).once('close', refuse);
  }

  /** Reads the body of an answer to its end. */
  readBody(answer: IncomingMessage): void {
    const { decoder, budget } = this.call;
    if (budget !== undefined) this.pace = new BodyPace(answer, budget);
    answer.on('data', this.read);
    // Each of these comes once; `once` would cost memory for as long as the answer is read.
    answer.on('end', () => {
      this.pace?.end();
      this.conclude();
      this.finish(this.failure);
    });
    answer.on('close', () => {
      this.pace?.end();
      if (decoder.isWhole) this.conclude();
      this.finish(this.failure ?? (decoder.done ? undefined : new CastError('upstream_truncated')));
    });
  }

  /** Destroys the request; the Observable fails with `reason` once the request is over. */
  stop(reason?: unknown): void {
    this.failure ??= reason;
    if (!this.isOver) this.signal.stop();
  }

  /** The subscriber has left: nothing runs on. */
  leave(): void {
    this.request?.unsubscribe();
    this.stop();
    this.clear();
  }

  /** One read of the body. */
  private readonly read = (bytes: Buffer): void => {
    const { decoder } = this.call;
    if (this.failure !== undefined || decoder.done) return;
    this.silence.heard();
    this.decode(bytes);
    const awaited = decoder.done ? 'end' : decoder.isWhole ? 'final record' : 'more';
    // A ping is no reason to wait longer for the final record.
    if (awaited !== this.awaited) this.await(awaited);
    if (awaited === 'more') this.pace?.rest();
  };

  /** Some servers (LocalAI) send the head of an answer, and only then load the model. */
  private fellSilent(): void {
    const hasBegun = this.hasSaid || this.call.decoder.hasBegun === true;
    if (!hasBegun && performance.now() < this.beginBy) this.silence.start();
    else this.stop(new CastError('idle_timeout'));
  }

  /** Sets the timer for what must come next. */
  private await(next: 'more' | 'final record' | 'end'): void {
    this.awaited = next;
    this.clear();
    switch (next) {
      case 'more':
        return this.silence.start();
      case 'final record':
        return this.wait(Math.min(WHOLE_GRACE_MS, this.call.idleTimeoutMs), () => {
          this.conclude();
          this.stop();
        });
      case 'end':
        return this.wait(END_GRACE_MS, () => this.stop());
      default:
        return next satisfies never;
    }
  }

  /** Emits what these bytes say; without bytes, what the end of the body says. */
  private decode(bytes?: Buffer): void {
    const { decoder } = this.call;
    const parts: T[] = [];
    let fault: unknown;
    try {
      if (bytes === undefined) decoder.end(parts);
      else decoder.push(bytes, parts);
    } catch (error) {
      if (!decoder.done) fault = error;
    }
    if (parts.length > 0) {
      this.hasSaid = true;
      this.out.next(parts);
    }
    // It counts all the same: somebody may send byte by byte.
    else this.call.budget?.spend();
    if (fault !== undefined) this.stop(fault);
  }

  /** No more bytes of the body come. */
  private conclude(): void {
    if (this.failure === undefined && !this.call.decoder.done) this.decode();
  }

  /** The request is over. The first call counts. */
  private finish(error?: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    if (error === undefined) this.out.complete();
    else this.out.error(error);
  }

  private wait(ms: number, then: () => void): void {
    this.clear();
    this.timer = setTimeout(then, ms);
  }

  private clear(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.silence.stop();
  }
}

/** An answer without a content type is read too: some proxies drop it. */
function isReadable(headers: IncomingHttpHeaders, accept: readonly string[]): boolean {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  const encoding = headers['content-encoding'] ?? 'identity';
  return (type === undefined || accept.includes(type)) && encoding === 'identity';
}

/** The error of a request that failed before its headers came. */
function networkError(cause: unknown): CastError {
  const code = (cause as NodeJS.ErrnoException | null)?.code ?? '';
  if (code.startsWith('HPE_')) return new CastError('upstream_protocol_error', { cause });
  if (cause instanceof ConnectTimeout) {
    return new CastError('upstream_unreachable', {
      message: 'The model server did not accept a connection in time.',
      cause,
    });
  }
  return new CastError('upstream_unreachable', { cause });
}
