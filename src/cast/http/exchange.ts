import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { HttpService } from '@nestjs/axios';
import { Observable } from 'rxjs';
import { CastError } from '../../protocol/errors.js';
import { ConnectTimeout } from './adapter.js';

/** Longest body of a refusal that is read for its message. */
const REFUSAL_BYTES = 65_536;
/** How long the body of a refusal may take: its status is known by then. */
const REFUSAL_MS = 2_000;
/** How long an answer may stay open after its final record before its socket is destroyed. */
const END_GRACE_MS = 100;
/** How long a whole answer may keep back its final record; silence that is allowed anywhere else. */
const WHOLE_GRACE_MS = 5_000;

/** Reads one answer's bytes; pure, so that it is tested without a network. */
export interface Decoder<T> {
  /** True once the final record was read; what follows it is ignored. */
  readonly done: boolean;
  /** True while nothing is missing but the final record; absent where that alone tells. */
  readonly isWhole?: boolean;
  /**
   * Adds to `into` what these bytes say.
   * @throws CastError what is wrong with them; what came before the fault is in `into`
   */
  push(bytes: Buffer, into: T[]): void;
  /** Nothing more comes. @throws CastError `upstream_truncated` where something is missing */
  end(into: T[]): void;
}

/** One request to an upstream and how its answer is to be read. */
export interface UpstreamCall<T> {
  method: 'get' | 'post';
  url: string;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  decoder: Decoder<T>;
  /** Media types of a good answer, without parameters. */
  accept: readonly string[];
  /** Names the error behind an answer that is not 2xx. */
  refused(status: number, body: string, headers: IncomingHttpHeaders): CastError;
  connectTimeoutMs: number;
  /** Until the first byte of the body. */
  firstByteTimeoutMs: number;
  /** Between two reads of the body. */
  idleTimeoutMs: number;
  /** Told how it ended, unless nobody wants to know any more. */
  onOver?(error?: unknown): void;
}

/**
 * Makes one request. Emits what each read of the body brought, all of it at once. Completes or fails
 * only when the request is over: its response ended, or its socket is destroyed. An abort of
 * `signal`, like unsubscribing, destroys the socket; after an abort it fails with the signal's
 * reason. `done` ends it well, even if the upstream then keeps the connection open, and so does
 * `isWhole` where the upstream says no more, or only pings, or drops the connection.
 * @throws CastError through the Observable
 */
export function exchange<T>(
  http: HttpService,
  call: UpstreamCall<T>,
  signal?: AbortSignal,
): Observable<T[]> {
  return new Observable<T[]>((out) => {
    const abort = new AbortController();
    let failure: unknown;
    let over = false;

    /** Destroys the request; `reason` is told once it is over. */
    const stop = (reason?: unknown): void => {
      failure ??= reason;
      if (!over) abort.abort();
    };
    let timer = setTimeout(
      () => stop(new CastError('first_byte_timeout')),
      call.firstByteTimeoutMs,
    );
    const cancel = (): void => stop(signal?.reason);
    signal?.addEventListener('abort', cancel);

    const finish = (error?: unknown): void => {
      if (over) return;
      over = true;
      if (!out.closed) call.onOver?.(error);
      if (error === undefined) out.complete();
      else out.error(error);
    };

    const readRefusal = (status: number, answer: IncomingMessage): void => {
      const pieces: Buffer[] = [];
      let size = 0;
      clearTimeout(timer);
      timer = setTimeout(stop, REFUSAL_MS);
      const refuse = (): void => {
        const body = Buffer.concat(pieces, size).toString('utf8');
        finish(failure ?? call.refused(status, body, answer.headers));
      };
      answer.on('data', (bytes: Buffer) => {
        pieces.push(bytes);
        size += bytes.length;
        if (size > REFUSAL_BYTES) stop();
      });
      answer.once('end', refuse).once('close', refuse);
    };

    const readBody = (answer: IncomingMessage): void => {
      const { decoder } = call;
      const wait = (ms: number, then: () => void): void => {
        clearTimeout(timer);
        timer = setTimeout(then, ms);
      };
      let readAt = 0;
      /** A timer set anew at each read costs more than one that looks again. */
      const watchSilence = (): void => {
        const left = readAt + call.idleTimeoutMs - performance.now();
        if (left <= 0) stop(new CastError('idle_timeout'));
        else wait(left, watchSilence);
      };
      let awaited: 'beginning' | 'more' | 'final record' | 'end' = 'beginning';
      /** Without bytes: that there are no more. */
      const take = (bytes?: Buffer): void => {
        const parts: T[] = [];
        let fault: unknown;
        try {
          if (bytes === undefined) decoder.end(parts);
          else decoder.push(bytes, parts);
        } catch (error) {
          if (!decoder.done) fault = error;
        }
        if (parts.length > 0) out.next(parts);
        if (fault !== undefined) stop(fault);
      };
      const conclude = (): void => {
        if (failure === undefined && !decoder.done) take();
      };
      answer.on('data', (bytes: Buffer) => {
        if (failure !== undefined || decoder.done) return;
        readAt = performance.now();
        take(bytes);
        const before = awaited;
        awaited = decoder.done ? 'end' : decoder.isWhole ? 'final record' : 'more';
        // A ping is no reason to wait longer for the final record.
        if (awaited === before) return;
        if (awaited === 'more') watchSilence();
        else if (awaited === 'final record') {
          wait(Math.min(WHOLE_GRACE_MS, call.idleTimeoutMs), () => {
            conclude();
            stop();
          });
        } else wait(END_GRACE_MS, stop);
      });
      answer.once('end', () => {
        conclude();
        finish(failure);
      });
      answer.once('close', () => {
        if (decoder.isWhole) conclude();
        finish(failure ?? (decoder.done ? undefined : new CastError('upstream_truncated')));
      });
    };

    const request = http
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
        ...(call.body !== undefined && { data: JSON.stringify(call.body) }),
        responseType: 'stream',
        timeout: call.connectTimeoutMs,
        signal: abort.signal,
      })
      .subscribe({
        next: ({ status, data: answer }) => {
          if (status < 200 || status > 299) return readRefusal(status, answer);
          if (!isReadable(answer.headers, call.accept)) stop(new CastError('bad_content_type'));
          readBody(answer);
        },
        error: (error: unknown) => finish(failure ?? networkError(error)),
      });
    if (signal?.aborted) cancel();

    return () => {
      request.unsubscribe();
      stop();
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    };
  });
}

/** An answer without a content type is read all the same: some proxies drop it. */
function isReadable(headers: IncomingHttpHeaders, accept: readonly string[]): boolean {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  const encoding = headers['content-encoding'] ?? 'identity';
  return (type === undefined || accept.includes(type)) && encoding === 'identity';
}

/** A request that failed before its headers came. */
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
