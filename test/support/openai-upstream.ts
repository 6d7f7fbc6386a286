import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UpstreamCall } from './scripted-upstream.js';
import { until } from './until.js';

const sse = { 'content-type': 'text/event-stream' };

/** One request for a chat completion, answered by the test as Server-Sent Events. */
export class OpenAiCall extends UpstreamCall {
  override head(status = 200, headers: Record<string, string> = sse): this {
    return super.head(status, headers);
  }

  /** One chunk whose only choice is this. */
  choice(delta: object, finishReason: string | null = null, more: object = {}): this {
    return this.event({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1_767_323_045,
      model: this.body['model'],
      choices: [{ index: 0, delta, finish_reason: finishReason }],
      ...more,
    });
  }

  event(data: unknown): this {
    return this.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  }

  override text(piece: string): this {
    return this.choice({ content: piece });
  }

  /** The finish chunk with usage, `[DONE]`, then a clean end. */
  override done(fields: Record<string, unknown> = {}): void {
    const usage = { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 };
    this.choice({}, 'stop', { usage, ...fields })
      .event('[DONE]')
      .end();
  }
}

/**
 * A real OpenAI-compatible HTTP server whose chat completions the test gives by hand; its models are
 * what stands in `models`. The base URL is `url`, which ends in `/v1`.
 */
export class OpenAiUpstream {
  models: string[] = ['gpt-demo'];
  /** Every chat completion that was asked for, in the order of arrival. */
  readonly calls: OpenAiCall[] = [];
  private taken = 0;

  private constructor(
    readonly url: string,
    private readonly server: ReturnType<typeof createServer>,
  ) {}

  static async start(): Promise<OpenAiUpstream> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const upstream = new OpenAiUpstream(`http://127.0.0.1:${port}/v1`, server);
    server.on('request', (request, response) => {
      const { method = '', url: path = '', headers } = request;
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
        const call = new OpenAiCall(method, path, headers, body, response);
        const data = upstream.models.map((id) => ({ id, object: 'model' }));
        if (path === '/v1/chat/completions') upstream.calls.push(call);
        else if (path === '/v1/models') call.json(200, { object: 'list', data });
        else call.json(404, { error: { message: 'Not Found', type: 'NotFoundError', code: 404 } });
      });
    });
    return upstream;
  }

  /** The next chat completion that no earlier `nextCall` has handed out. Fails after `PATIENCE_MS`. */
  async nextCall(): Promise<OpenAiCall> {
    const at = this.taken++;
    await until(() => this.calls.length > at);
    return this.calls[at]!;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
