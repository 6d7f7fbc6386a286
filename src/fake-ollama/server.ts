import { once } from 'node:events';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { type Api, readAsk } from './ask.js';
import { readBody } from './body.js';
import { type House, answer } from './generation.js';
import { Models } from './models.js';
import { Library } from './pull.js';
import { Refusal } from './refusal.js';
import { sendJson } from './reply.js';
import { Slots } from './slots.js';
import { type FakeOllamaOptions, resolveSwitches } from './switches.js';

/** What this server says of itself. */
export const WHAT_IT_IS = 'a demo upstream, not a language model';

/** A running demo upstream. */
export interface FakeOllama {
  /** Base URL, without a slash at its end. */
  url: string;
  /** The port it really listens on. */
  port: number;
  /** Stops listening and destroys every open connection. */
  close(): Promise<void>;
}

type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  gone: AbortSignal,
) => void | Promise<void>;

/**
 * Starts an Ollama-compatible server whose models only recite and repeat, and which fails on demand.
 * Throws `SwitchError` for an option out of its bounds; rejects when it cannot listen.
 */
export async function startFakeOllama(options: FakeOllamaOptions = {}): Promise<FakeOllama> {
  const switches = resolveSwitches(options);
  const models = new Models(switches.models, switches.loadMs, options.answer);
  const house = { switches, models, slots: new Slots(switches.parallel) };
  const routes = routesOf(house, new Library(switches, models));
  // Ollama sets no time limits: an idle connection stays open, a slow request may take its time.
  const noLimits = { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 };
  const server = createServer(noLimits, (request, response) => {
    void serve(routes, request, response);
  });
  server.listen(switches.port, switches.host);
  await once(server, 'listening');

  const { address, port } = server.address() as AddressInfo;
  return {
    url: `http://${reachable(address)}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function routesOf(house: House, library: Library): Map<string, Map<string, Handler>> {
  const { models } = house;
  const get = (handler: Handler) =>
    new Map([
      ['GET', handler],
      ['HEAD', handler],
    ]);
  const post = (handler: Handler) => new Map([['POST', handler]]);
  const ask = (api: Api, goType: string) =>
    post(async (request, response, gone) => {
      const body = await readBody(request, goType);
      await answer(readAsk(api, body, models), house, response, gone);
    });

  return new Map([
    ['/', get((_, response) => sendText(response, 200, `Ollama is running (${WHAT_IT_IS})`))],
    [
      '/api/version',
      get((_, response) =>
        sendJson(response, 200, { version: '0.0.0-llm-cast-demo', demo: WHAT_IT_IS }),
      ),
    ],
    ['/api/tags', get((_, response) => sendJson(response, 200, models.list()))],
    ['/api/ps', get((_, response) => sendJson(response, 200, models.listLoaded()))],
    [
      '/api/show',
      post(async (request, response) => {
        const body = await readBody(request, 'ShowRequest');
        const name = body.string('model') || body.string('name');
        if (name === '') throw new Refusal(400, 'model is required');
        const model = models.find(name);
        if (!model) throw new Refusal(404, `model '${name}' not found`);
        sendJson(response, 200, models.show(model));
      }),
    ],
    [
      '/api/pull',
      post(async (request, response, gone) => {
        const body = await readBody(request, 'PullRequest');
        const name = body.string('model') || body.string('name');
        await library.pull(name, body.boolean('stream', true), response, gone);
      }),
    ],
    ['/api/generate', ask('generate', 'GenerateRequest')],
    ['/api/chat', ask('chat', 'ChatRequest')],
  ]);
}

async function serve(
  routes: ReturnType<typeof routesOf>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const methods = routes.get(path);
  if (!methods) return sendText(response, 404, '404 page not found');
  const handler = methods.get(request.method ?? '');
  if (!handler) return sendText(response, 405, '405 method not allowed');

  const gone = new AbortController();
  const leave = () => gone.abort();
  request.socket.once('close', leave);
  try {
    await handler(request, response, gone.signal);
  } catch (error) {
    // A caller that has left hears no error.
    if (gone.signal.aborted || request.socket.destroyed) return;
    const status = error instanceof Refusal ? error.status : 500;
    sendJson(response, status, { error: error instanceof Error ? error.message : String(error) });
  } finally {
    request.socket.off('close', leave);
  }
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** "Every interface" is an address to listen on, not one to connect to. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return isIPv6(address) ? `[${address}]` : address;
}
