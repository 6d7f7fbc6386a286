import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CheckId } from '../../doctor/src/finding.js';
import { NOBODY, startApp } from './app.js';
import { SECRET } from './credentials.js';
import { type Faults, FaultyFront } from './faulty-front.js';
import { freePort } from './free-port.js';
import { call } from './rest.js';
import { ScriptedUpstream } from './scripted-upstream.js';

/** What a case works with; all of it is gone when it is over. */
export class Ward {
  private readonly open: { close(): Promise<unknown> }[] = [];

  async upstream(): Promise<ScriptedUpstream> {
    return this.keep(await ScriptedUpstream.start());
  }

  /** llm-cast with a working upstream, behind a front that its pages know of. */
  async behind(faults: Faults, env: Record<string, string | number> = {}): Promise<string> {
    const front = this.keep(await FaultyFront.start(faults));
    const upstream = await this.upstream();
    const around = { OLLAMA_BASE_URL: upstream.url, PUBLIC_SOCKET_URL: front.url };
    front.app = this.keep(await startApp({ ...around, ...env }));
    return front.url;
  }

  /** Some other server. @returns its address */
  async server(answer: RequestListener): Promise<string> {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.keep({
      close: async () => {
        server.closeAllConnections();
        server.close();
      },
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  keep<T extends { close(): Promise<unknown> }>(one: T): T {
    this.open.unshift(one);
    return one;
  }

  static async during<T>(visit: (ward: Ward) => Promise<T>): Promise<T> {
    const ward = new Ward();
    try {
      return await visit(ward);
    } finally {
      for (const one of ward.open) await one.close();
    }
  }
}

/** In the order in which they are made. */
export const ALL: CheckId[] = [
  'rest',
  'access',
  'ready',
  'stream',
  'socket',
  'origin',
  'polling',
  'websocket',
  'upgrade',
  'ping',
  'upstream',
  'model',
  'idle',
];
/** What cannot be checked where the socket, or its origin, is wrong. */
const CONNECTED: CheckId[] = ['polling', 'websocket', 'upgrade', 'ping', 'idle'];

export interface DoctorCase {
  fault: string;
  red: CheckId;
  /** What fails for the same reason. */
  alsoRed?: CheckId[];
  warned?: CheckId[];
  skipped?: CheckId[];
  what: RegExp;
  mend: RegExp;
  /** Where a page cannot have it: it would not load, or is of another origin. */
  isTerminalOnly?: true;
  /** @returns the arguments of the doctor, the address first */
  prepare: (ward: Ward) => Promise<string[]>;
}

const behind =
  (faults: Faults, env?: Record<string, string | number>): DoctorCase['prepare'] =>
  async (ward) => [await ward.behind(faults, env)];

export const CASES: DoctorCase[] = [
  {
    fault: 'a port that nobody listens on',
    isTerminalOnly: true,
    red: 'rest',
    skipped: ALL.slice(1),
    what: /refused/,
    mend: /llm-cast/,
    prepare: async () => [`http://127.0.0.1:${await freePort()}`],
  },
  {
    fault: 'a name that nobody knows',
    red: 'rest',
    isTerminalOnly: true,
    skipped: ALL.slice(1),
    what: /name llm-cast\.invalid is not known/,
    mend: /DNS/,
    prepare: async () => ['http://llm-cast.invalid'],
  },
  {
    fault: 'a server that never answers',
    red: 'rest',
    isTerminalOnly: true,
    skipped: ALL.slice(1),
    what: /No answer within 5 s/,
    mend: /firewall/,
    prepare: async (ward) => [await ward.server(() => undefined)],
  },
  {
    fault: 'an address that redirects',
    red: 'rest',
    isTerminalOnly: true,
    skipped: ALL.slice(1),
    what: /redirects to http:\/\/127/,
    mend: /^Give that address.*\nhttp:\/\/127/,
    prepare: async (ward) => {
      const url = await ward.behind({});
      return [
        await ward.server((request, response) =>
          response.writeHead(301, { location: url + request.url }).end(),
        ),
      ];
    },
  },
  {
    fault: 'an address that redirects, below a path',
    red: 'rest',
    isTerminalOnly: true,
    skipped: ALL.slice(1),
    what: /redirects to http:\/\/127/,
    mend: /^Give that address.*\nhttp:\/\/127[^/]*\/chat$/,
    prepare: async (ward) => {
      const url = await ward.behind({}, { BASE_PATH: '/chat' });
      const redirecting = await ward.server((request, response) =>
        response.writeHead(301, { location: url + request.url }).end(),
      );
      return [`${redirecting}/chat`];
    },
  },
  {
    fault: 'the address of a page of llm-cast in place of its own',
    red: 'rest',
    isTerminalOnly: true,
    skipped: ALL.slice(1),
    what: /answers at http:\/\/127[^/]*, and not below \/doctor\./,
    mend: /\nhttp:\/\/127[^/]*\n# or\nBASE_PATH=\/doctor$/,
    prepare: async (ward) => [`${await ward.behind({})}/doctor`],
  },
  {
    fault: 'another server',
    red: 'rest',
    skipped: ALL.slice(1),
    what: /Something other than llm-cast.*\(404, text\/html\)/,
    mend: /address and port/,
    prepare: behind({ hides: /^\/health/ }),
  },
  {
    fault: 'https where plain HTTP is spoken',
    isTerminalOnly: true,
    red: 'rest',
    skipped: ALL.slice(1),
    what: /does not speak TLS/,
    mend: /http:\/\/127/,
    prepare: async (ward) => [(await ward.behind({})).replace('http:', 'https:')],
  },
  {
    fault: 'the port of Socket.IO in place of that of REST',
    isTerminalOnly: true,
    red: 'rest',
    skipped: ALL.slice(1),
    what: /Socket\.IO port/,
    mend: /3000/,
    prepare: async (ward) => [ward.keep(await startApp()).socketUrl],
  },
  {
    fault: 'a proxy that does not reach llm-cast',
    isTerminalOnly: true,
    red: 'rest',
    skipped: ALL.slice(1),
    what: /proxy answers .*\(502\)/,
    mend: /reach llm-cast/,
    prepare: async (ward) => {
      const front = ward.keep(await FaultyFront.start({}));
      const url = `http://127.0.0.1:${await freePort()}`;
      front.app = { url, socketUrl: url };
      return [front.url];
    },
  },
  {
    fault: 'a server that asks for a key or a token',
    red: 'access',
    skipped: ALL.filter(
      (id) => id === 'origin' || CONNECTED.includes(id) || ['upstream', 'model'].includes(id),
    ),
    what: /does not serve this caller: A valid API key or token is needed/,
    mend: /LLM_CAST_TOKEN/,
    prepare: behind({}, { JWT_SECRET: SECRET }),
  },
  ...[401, 407].map((status): DoctorCase => ({
    fault: `a proxy that asks for credentials with ${status}`,
    isTerminalOnly: true,
    red: 'rest',
    skipped: ALL.slice(1),
    what: new RegExp(`proxy at .* asks for credentials \\(${status}\\)`),
    mend: /signed in.*\nllm-cast doctor http:\/\/localhost:3000$/,
    prepare: async (ward) => [
      await ward.server((_request, response) => response.writeHead(status).end()),
    ],
  })),
  {
    fault: 'a proxy that asks for credentials at the socket only',
    red: 'socket',
    skipped: ['origin', ...CONNECTED],
    what: /proxy at .* asks for credentials \(401\)/,
    mend: /signed in/,
    prepare: behind({ protects: /^\/socket\.io/ }),
  },
  {
    fault: 'a public name that llm-cast was not told of',
    isTerminalOnly: true,
    red: 'rest',
    skipped: ALL.slice(1),
    what: /not answer under the name/,
    mend: /CORS_ORIGINS=http/,
    // A server that passes on what llm-cast says to a foreign Host: `fetch` cannot send one.
    prepare: async (ward) => {
      const body = JSON.stringify({ statusCode: 403, code: 'forbidden', message: 'x' });
      return [await ward.server((_request, response) => response.writeHead(403).end(body))];
    },
  },
  {
    fault: 'a proxy that knows some paths only',
    red: 'rest',
    skipped: ALL.slice(1),
    what: /page\.json/,
    mend: /location \/ \{/,
    prepare: behind({ hides: /^\/page\.json/ }),
  },
  {
    fault: 'a server that is shutting down',
    red: 'ready',
    skipped: ['upstream', 'model'],
    what: /shutting down/,
    mend: /restart/,
    prepare: async (ward) => {
      const upstream = await ward.upstream();
      const app = await startApp({ OLLAMA_BASE_URL: upstream.url, DRAIN_MS: 600_000 });
      const asked = { prompt: 'x', onDisconnect: 'keep' };
      const { body } = await call('POST', `${app.url}/llm/generate`, asked);
      await upstream.nextCall();
      const closed = app.close();
      // Its end is what the drain waits for.
      const end = () => call('DELETE', `${app.url}/llm/generations/${body.generationId}`);
      ward.keep({ close: () => end().then(() => closed) });
      return [app.url];
    },
  },
  {
    fault: 'a proxy that buffers answers',
    red: 'stream',
    what: /arrived over \d+ ms: something holds answers back/,
    mend: /proxy_buffering off;/,
    prepare: behind({ buffers: true }),
  },
  {
    fault: 'a proxy that cuts answers that take longer',
    red: 'stream',
    what: /broke after [1-4] of 5 events/,
    mend: /proxy_read_timeout/,
    prepare: behind({ cutsAfterMs: 450 }),
  },
  {
    fault: 'a proxy without a place for Socket.IO',
    red: 'socket',
    skipped: ['origin', ...CONNECTED],
    what: /is not Socket\.IO \(404, text\/html\)/,
    mend: /location \/socket\.io\/ \{\n\s+proxy_pass http:\/\/127\.0\.0\.1:\d+;/,
    prepare: behind({ hides: /^\/socket\.io/ }),
  },
  {
    fault: 'a proxy that sends Socket.IO to the REST port',
    red: 'socket',
    skipped: ['origin', ...CONNECTED],
    what: /reach the REST port/,
    mend: /location \/socket\.io\//,
    prepare: behind({ routesToRest: true }),
  },
  {
    fault: 'a proxy that does not reach Socket.IO',
    red: 'socket',
    skipped: ['origin', ...CONNECTED],
    what: /\(502\): it does not reach the port of Socket\.IO/,
    mend: /location \/socket\.io\//,
    prepare: behind({ losesSocket: true }),
  },
  {
    fault: 'a socket port that nobody can reach',
    red: 'socket',
    skipped: ['origin', ...CONNECTED],
    what: /Nothing (listens|answers) at/,
    mend: /./,
    prepare: async (ward) => {
      const PUBLIC_SOCKET_URL = `http://127.0.0.1:${await freePort()}`;
      return [await ward.behind({ hides: /^\/socket\.io/ }, { PUBLIC_SOCKET_URL })];
    },
  },
  {
    fault: 'a public address of the socket that llm-cast was not told of',
    red: 'socket',
    skipped: ['origin', ...CONNECTED],
    what: /but it answers at http:\/\/127\.0\.0\.1:\d+/,
    mend: /PUBLIC_SOCKET_URL=http:\/\/127\.0\.0\.1:\d+/,
    prepare: async (ward) => {
      const PUBLIC_SOCKET_URL = `http://127.0.0.1:${await freePort()}`;
      return [await ward.behind({}, { PUBLIC_SOCKET_URL })];
    },
  },
  {
    fault: 'a proxy that does not pass Host on',
    red: 'origin',
    skipped: CONNECTED,
    what: /REST refuses pages of http:\/\/127/,
    mend: /CORS_ORIGINS=http:\/\/127.*\nproxy_set_header Host/,
    prepare: behind({ rewritesHost: true }, { HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' }),
  },
  {
    fault: 'a socket under another name than the page',
    red: 'origin',
    skipped: CONNECTED,
    what: /Socket\.IO refuses pages of http:\/\/127/,
    mend: /CORS_ORIGINS=http:\/\/127/,
    prepare: async (ward) => {
      const env = {
        HOST: '0.0.0.0',
        ALLOW_ANONYMOUS: 'true',
        PUBLIC_SOCKET_URL: `http://localhost:${await freePort()}`,
      };
      const port = new URL(env.PUBLIC_SOCKET_URL).port;
      const upstream = await ward.upstream();
      const app = await startApp({ OLLAMA_BASE_URL: upstream.url, SOCKET_PORT: port, ...env });
      return [ward.keep(app).url.replace('0.0.0.0', '127.0.0.1')];
    },
  },
  {
    fault: 'a page of a foreign origin',
    isTerminalOnly: true,
    red: 'origin',
    skipped: CONNECTED,
    what: /REST refuses pages of https:\/\/app\.example/,
    mend: /CORS_ORIGINS=https:\/\/app\.example/,
    prepare: async (ward) => [await ward.behind({}), '--origin', 'https://app.example'],
  },
  {
    fault: 'an app that CORS_ORIGINS does not name',
    isTerminalOnly: true,
    red: 'origin',
    skipped: CONNECTED,
    what: /REST refuses pages of capacitor:\/\/localhost/,
    mend: /CORS_ORIGINS=capacitor:\/\/localhost/,
    prepare: async (ward) => [await ward.behind({}), '--origin', 'capacitor://localhost'],
  },
  {
    fault: 'a proxy that takes CORS headers away',
    isTerminalOnly: true,
    red: 'origin',
    skipped: CONNECTED,
    what: /CORS headers are missing/,
    mend: /pass OPTIONS/,
    prepare: async (ward) => [
      await ward.behind({ stripsCors: true }),
      '--origin',
      'http://app.localhost',
    ],
  },
  {
    fault: 'a proxy that answers preflights itself',
    isTerminalOnly: true,
    red: 'origin',
    skipped: CONNECTED,
    what: /CORS headers are missing/,
    mend: /pass OPTIONS/,
    prepare: async (ward) => [
      await ward.behind({ answersOptions: true }),
      '--origin',
      'http://app.localhost',
    ],
  },
  {
    fault: 'several processes without sticky sessions',
    red: 'polling',
    skipped: ['upgrade'],
    what: /forgotten between its requests/,
    mend: /ip_hash/,
    prepare: behind({ forgetsSessions: true }),
  },
  {
    fault: 'a proxy that drops the upgrade',
    red: 'websocket',
    skipped: ['upgrade'],
    what: /No WebSocket can be opened/,
    mend: /proxy_set_header Upgrade \$http_upgrade;/,
    prepare: behind({ dropsUpgrade: true }),
  },
  {
    fault: 'a proxy that drops the upgrade of connections that are there',
    red: 'upgrade',
    what: /stays there/,
    mend: /ip_hash/,
    prepare: behind({ dropsUpgrade: 'sessions' }),
  },
  ...[1, 2].map((limit): DoctorCase => ({
    fault: `a limit of sockets that an address has reached with ${limit}`,
    red: limit === 1 ? 'websocket' : 'upgrade',
    skipped: limit === 1 ? ['upgrade'] : [],
    what: /llm-cast refuses the connection: Too many connections came from this address\./,
    mend: /LIMIT_SOCKETS_PER_ADDRESS=\d+\n.*TRUST_PROXY=/s,
    prepare: behind(
      {},
      { JWT_SECRET: SECRET, ALLOW_ANONYMOUS: 'true', LIMIT_SOCKETS_PER_ADDRESS: limit },
    ),
  })),
  {
    fault: 'no upstream',
    red: 'upstream',
    warned: ['ready'],
    skipped: ['model'],
    what: /cannot be reached/,
    mend: /OLLAMA_BASE_URL=/,
    prepare: behind({}, { OLLAMA_BASE_URL: NOBODY }),
  },
  {
    fault: 'a default model that is not there',
    red: 'model',
    what: /No upstream lists qwen3:8b/,
    mend: /ollama pull qwen3:8b\n.*\nOLLAMA_MODEL=llama3\.2/,
    prepare: behind({}, { OLLAMA_MODEL: 'qwen3:8b' }),
  },
  {
    // Ten round trips take longer than that.
    fault: 'a proxy that cuts WebSockets in the middle',
    red: 'ping',
    alsoRed: ['idle'],
    what: /cut in the middle \(transport close\)/,
    mend: /proxy_read_timeout 1h;/,
    prepare: behind({ cutsWebSocketsMs: 4_000, delayMs: 600 }),
  },
  {
    fault: 'a proxy that cuts unused connections',
    red: 'idle',
    what: /WebSocket connection was cut after \d\.\d s/,
    mend: /proxy_read_timeout 1h;/,
    prepare: behind({ cutsIdleMs: 1_500 }),
  },
];
