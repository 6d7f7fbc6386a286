import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UpstreamAnswer } from './upstream-answer.js';
import { ollamaWire, openAiWire } from './wire.js';

/** How one request is answered; called again where the server under test repeats it. */
export type Act = (answer: UpstreamAnswer) => void | Promise<void>;

/** What finds the script of a request in its body, whatever the server under test put around it. */
const MARK = /conformance-(\d+)-/;

/**
 * The model server behind the server under test. It speaks Ollama (`/api`) and OpenAI (`/v1`), and
 * answers each request by the script whose mark stands in its prompt.
 */
export class ScriptedUpstream {
  private readonly scripts = new Map<string, Act>();
  private marks = 0;
  private readonly server = createServer((request, response) => {
    void this.answer(request, response).catch(() => response.destroy());
  });

  private constructor(private readonly model: string) {}

  /** @param port 0 = a free one @throws the system's error where it cannot listen */
  static async listen(port: number, host: string, model: string): Promise<ScriptedUpstream> {
    const upstream = new ScriptedUpstream(model);
    const { server } = upstream;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, host, resolve);
    });
    return upstream;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** @returns the prompt whose request is answered so */
  script(act: Act): string {
    const mark = `${++this.marks}`;
    this.scripts.set(mark, act);
    return `conformance-${mark}- Why is the sky blue?`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    const [path = ''] = (request.url ?? '').split('?');
    const known = this.lists(path);
    if (known !== undefined) return json(response, 200, known);
    const script = this.scripts.get(MARK.exec(text)?.[1] ?? '');
    const isOpenAi = path.endsWith('/chat/completions');
    if (script === undefined || !(isOpenAi || /^\/api\/(chat|generate)$/.test(path))) {
      return json(response, 404, { error: `${path} is not scripted` });
    }
    const body = JSON.parse(text) as Record<string, unknown>;
    const wire = isOpenAi ? openAiWire(body) : ollamaWire(body, path);
    // Ollama streams unless it is told not to.
    const isStreamed = isOpenAi ? body['stream'] === true : body['stream'] !== false;
    await script(new UpstreamAnswer(response, wire, isStreamed));
  }

  private lists(path: string): object | undefined {
    const { model } = this;
    switch (path) {
      case '/api/version':
        return { version: '0.33.0' };
      case '/api/tags':
        return { models: [{ name: model, model, size: 1 }] };
      case '/api/ps':
        return { models: [] };
      case '/v1/models':
      case '/models':
        return { object: 'list', data: [{ id: model, object: 'model', created: 0, owned_by: '' }] };
      default:
        return undefined;
    }
  }
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
