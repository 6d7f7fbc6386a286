import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PATIENCE_MS } from './until.js';

/** One request that reached the upstream, answered by the test, byte by byte if it likes. */
export class UpstreamCall {
  /** Resolves when the connection of this request is gone or its response was read to the end. */
  readonly closed: Promise<void>;

  constructor(
    readonly method: string,
    readonly path: string,
    readonly headers: IncomingHttpHeaders,
    readonly body: Record<string, unknown>,
    private readonly response: ServerResponse,
    /** The body as it came. */
    readonly raw = '',
  ) {
    this.closed = new Promise((resolve) => response.once('close', resolve));
  }

  /** Sends status and headers now, before any byte of the body. */
  head(status = 200, headers: Record<string, string> = ndjson): this {
    this.response.writeHead(status, headers).flushHeaders();
    return this;
  }

  /** Sends raw bytes; the headers too, if they have not gone out. */
  write(bytes: string | Buffer): this {
    if (!this.response.headersSent) this.head();
    this.response.write(bytes);
    return this;
  }

  /** Sends one NDJSON line. */
  line(value: unknown): this {
    return this.write(`${JSON.stringify(value)}\n`);
  }

  /** One piece of the answer, in the shape of the endpoint that was asked. */
  text(piece: string): this {
    return this.line({
      model: this.body['model'],
      created_at: '2026-01-02T03:04:05.678Z',
      ...(this.path === '/api/chat'
        ? { message: { role: 'assistant', content: piece } }
        : { response: piece }),
      done: false,
    });
  }

  /** The final line with statistics, then a clean end. */
  done(fields: Record<string, unknown> = {}): void {
    this.line({
      model: this.body['model'],
      created_at: '2026-01-02T03:04:06.1Z',
      ...(this.path === '/api/chat'
        ? { message: { role: 'assistant', content: '' } }
        : { response: '', context: [101, 7, 9] }),
      done: true,
      done_reason: 'stop',
      total_duration: 2_500_000_000,
      load_duration: 40_000_000,
      prompt_eval_count: 11,
      prompt_eval_duration: 90_000_000,
      eval_count: 3,
      eval_duration: 150_000_000,
      ...fields,
    });
    this.end();
  }

  /** A complete answer in one go. */
  json(status: number, value: unknown): void {
    this.head(status, { 'content-type': 'application/json; charset=utf-8' });
    this.response.end(JSON.stringify(value));
  }

  /** Ends the response cleanly, whatever was sent. */
  end(bytes?: string): void {
    if (!this.response.headersSent) this.head();
    this.response.end(bytes);
  }

  /** The connection dies. */
  reset(): void {
    this.response.socket?.destroy();
  }

  /** True while the connection is there and the response is not finished. */
  get isOpen(): boolean {
    return !this.response.destroyed && !this.response.writableFinished;
  }
}

const ndjson = { 'content-type': 'application/x-ndjson' };

/**
 * A real HTTP server whose answers to `/api/generate`, `/api/chat` and `/api/pull` the test gives by
 * hand. Version, tags and ps are answered by themselves from what stands in `models`.
 */
export class ScriptedUpstream {
  models: string[] = ['llama3.2'];
  /** Of each of them, in tokens; undefined = none of them is loaded. */
  contextLength: number | undefined;
  /** Those of a model, by its name; for the others it says none. */
  capabilities: Record<string, string[]> = {};
  /** What it tells of each model where it is asked for one; undefined = it knows no such question. */
  shown: object | undefined;
  /** Every generation request so far, in the order of arrival. */
  readonly calls: UpstreamCall[] = [];
  /** Most generation requests that were open at one time. */
  mostOpen = 0;
  private readonly waiting: ((call: UpstreamCall) => void)[] = [];
  private taken = 0;

  private constructor(
    readonly url: string,
    private readonly server: ReturnType<typeof createServer>,
  ) {}

  static async start(port = 0): Promise<ScriptedUpstream> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const upstream = new ScriptedUpstream(url, server);
    server.on('request', (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        const call = new UpstreamCall(
          request.method ?? '',
          request.url ?? '',
          request.headers,
          text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
          response,
          text,
        );
        upstream.receive(call);
      });
    });
    return upstream;
  }

  /** The next generation request that no earlier `nextCall` has handed out. Fails after `PATIENCE_MS`. */
  async nextCall(): Promise<UpstreamCall> {
    const there = this.calls[this.taken++];
    if (there !== undefined) return there;
    return new Promise<UpstreamCall>((resolve, reject) => {
      const waiter = (call: UpstreamCall): void => {
        clearTimeout(timer);
        resolve(call);
      };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        this.taken--;
        reject(new Error('no request reached the upstream'));
      }, PATIENCE_MS);
      this.waiting.push(waiter);
    });
  }

  /** Generation requests that are open now. */
  get open(): number {
    return this.calls.filter((call) => call.isOpen).length;
  }

  /** For the next case: completes what is open, and knows of no call any more. */
  forget(): void {
    for (const call of this.calls.splice(0)) if (call.isOpen) call.done();
    this.taken = 0;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private receive(call: UpstreamCall): void {
    switch (call.path) {
      case '/api/version':
        return call.json(200, { version: '0.33.0-scripted' });
      case '/api/tags':
        return call.json(200, {
          models: this.models.map((name) => ({
            name,
            model: name,
            size: 1,
            capabilities: this.capabilities[name],
          })),
        });
      case '/api/ps':
        return call.json(200, {
          models:
            this.contextLength === undefined
              ? []
              : this.models.map((name) => ({ name, context_length: this.contextLength })),
        });
      case '/api/show':
        return call.json(this.shown === undefined ? 404 : 200, this.shown ?? {});
      default:
    }
    this.calls.push(call);
    this.mostOpen = Math.max(this.mostOpen, this.open);
    this.waiting.shift()?.(call);
  }
}
