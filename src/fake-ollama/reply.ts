import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Ask } from './ask.js';

/** How an answer goes out: as lines while it grows, or whole at its end. */
export interface Reply {
  /** One more token. */
  token(text: string): Promise<void>;
  /** The regular end, with the statistics of the last line. */
  done(statistics: object): void;
  /** An end that looks clean but lacks the last line. */
  truncate(): void;
  /** An end with an error. */
  fail(message: string): void;
  /** The connection dies. */
  reset(): void;
}

/** Go's JSON: `<`, `>`, `&` and the two Unicode line ends are escaped, so that lines are lines. */
const goJson = (value: object): string =>
  JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** One line of NDJSON. */
export const jsonLine = (value: object): string => `${goJson(value)}\n`;

/** Sends one JSON object as the whole response. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  contentType = 'application/json; charset=utf-8',
): void {
  const bytes = Buffer.from(goJson(body));
  response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.length });
  response.end(bytes);
}

/** One line of an answer in the shape of the API that was asked. */
export function answerLine({ api, name }: Ask, text: string, rest: object): object {
  return {
    model: name,
    created_at: new Date().toISOString(),
    ...(api === 'generate'
      ? { response: text }
      : { message: { role: 'assistant', content: text } }),
    ...rest,
  };
}

/** NDJSON, each line flushed when it is due; status and headers leave with the first one. */
export class StreamedReply implements Reply {
  #held = Buffer.alloc(0);

  /** @param splitBytes size of the written pieces in bytes; 0 = whole lines */
  constructor(
    private readonly ask: Ask,
    private readonly response: ServerResponse,
    private readonly splitBytes: number,
    private readonly gone: AbortSignal,
  ) {
    response.setHeader('content-type', 'application/x-ndjson');
  }

  async token(text: string): Promise<void> {
    this.#line(answerLine(this.ask, text, { done: false }));
    if (this.response.writableNeedDrain) await once(this.response, 'drain', { signal: this.gone });
  }

  done(statistics: object): void {
    this.#line(answerLine(this.ask, '', statistics));
    this.truncate();
  }

  truncate(): void {
    this.response.end(this.#held);
  }

  fail(error: string): void {
    if (!this.response.headersSent && this.#held.length === 0) {
      sendJson(this.response, 500, { error }, 'application/json');
    } else {
      this.#line({ error });
      this.truncate();
    }
  }

  reset(): void {
    if (this.#held.length > 0) this.response.write(this.#held);
    destroySocket(this.response);
  }

  #line(value: object): void {
    const bytes = Buffer.concat([this.#held, Buffer.from(jsonLine(value))]);
    const size = this.splitBytes || bytes.length;
    let at = 0;
    for (; at + size <= bytes.length; at += size) {
      this.response.write(bytes.subarray(at, at + size));
    }
    // The rest waits for its piece to fill up, or pieces would end where lines end.
    this.#held = bytes.subarray(at);
  }
}

/** One JSON object with the joined answer, for `stream: false`. */
export class WholeReply implements Reply {
  #text = '';

  constructor(
    private readonly ask: Ask,
    private readonly response: ServerResponse,
  ) {}

  async token(text: string): Promise<void> {
    this.#text += text;
  }

  done(statistics: object): void {
    sendJson(this.response, 200, answerLine(this.ask, this.#text, statistics));
  }

  truncate(): void {
    // What a real Ollama does here: HTTP 200, and only `done` tells.
    this.done({ done: false });
  }

  fail(error: string): void {
    sendJson(this.response, 500, { error });
  }

  reset(): void {
    destroySocket(this.response);
  }
}

/** Not `destroy`, which would take back lines that are written but not sent. */
const destroySocket = (response: ServerResponse) => response.socket?.destroySoon();
