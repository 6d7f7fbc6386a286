import type { Remedy } from './finding.js';

/*
 * What a proxy or a setting typically does wrong, with the lines that mend it. `deploy/nginx.conf`
 * has them all.
 */

export const START: Remedy = {
  how: 'Start llm-cast there, or correct the address and port. Where a proxy answers in its place, it must reach llm-cast.',
  lines: 'PORT=3000 HOST=127.0.0.1 llm-cast',
};

export const UNREADABLE: Remedy = {
  how: 'Check the address in PUBLIC_SOCKET_URL, and let the proxy pass CORS headers on. In a terminal, llm-cast doctor sees which of the two it is.',
};

export const WAIT: Remedy = {
  how: 'A firewall that drops packets looks like this, and so does a proxy that waits for the end of an answer.',
};

export const DRAINING: Remedy = {
  how: 'Nothing, if this is a restart: it ends what runs first. Otherwise start it again.',
};

export const NO_STORE: Remedy = {
  how: 'See that Redis runs at the REDIS_URL of llm-cast, and answers:',
  lines: 'redis-cli -u "$REDIS_URL" ping',
};

export const OLD_STORE: Remedy = {
  how: 'Give llm-cast a Redis 7, a Valkey, or a newer one of either.',
};

export const FORGETTING: Remedy = {
  how: 'Let it refuse instead, and give it memory enough (docs/cluster.md). In redis.conf, or at once:',
  lines: 'redis-cli -u "$REDIS_URL" CONFIG SET maxmemory-policy noeviction',
};

export const VOLATILE: Remedy = {
  how: 'Answers that have ended, and idempotency keys, are lost then. Let it keep an append-only file. In redis.conf:',
  lines: 'appendonly yes\nappendfsync everysec',
};

export const SLOW_STORE: Remedy = {
  how: 'Put Redis near the nodes, on a machine that is not busy with something else; its own view:',
  lines: 'redis-cli -u "$REDIS_URL" --latency',
};

export const BUFFERING: Remedy = {
  how: 'Turn off buffering and compression of answers in the proxy. In nginx:',
  lines: 'proxy_http_version 1.1;\nproxy_buffering off;\ngzip off;',
};

export const STICKY: Remedy = {
  how: 'One process of llm-cast knows the connection, another one was asked. Send all requests of a client to the same process. In nginx:',
  lines:
    'upstream llm_cast_socket {\n    ip_hash;\n    server 10.0.0.1:4321;\n    server 10.0.0.2:4321;\n}',
};

const KEEP_OPEN = 'proxy_read_timeout 1h;\nproxy_send_timeout 1h;';

export const IDLE: Remedy = {
  how: 'Let the proxy and the load balancer keep silent connections open for at least 60 s. In nginx:',
  lines: KEEP_OPEN,
};

export const CUT: Remedy = {
  how: 'Something between here and llm-cast ends connections: the proxy or the load balancer has a short limit, or was loaded anew, or the network is bad. In nginx:',
  lines: KEEP_OPEN,
};

export const TOKEN: Remedy = {
  how: 'Give the doctor a key or a token, as a page would: in LLM_CAST_TOKEN, or in a file with --token-file. The page at /doctor has that of the chat page in the same tab.',
  lines: 'LLM_CAST_TOKEN="$(llm-cast token --sub doctor)" llm-cast doctor',
};

export const CREDENTIALS: Remedy = {
  how: 'The doctor has none for a proxy. Open /doctor in a browser that is signed in there, or run it behind the proxy, on the machine of llm-cast:',
  lines: 'llm-cast doctor http://localhost:3000',
};

export const NO_UPSTREAM: Remedy = {
  how: 'A load balancer that asks /health/ready sends nothing here until an upstream answers. What is wrong with each upstream, its own check says.',
};

export const BUG: Remedy = {
  how: 'What answers may be of another version than the doctor. Run it again with that version; if it stays, please report it.',
};

export const FULL: Remedy = {
  how: 'Raise the most connections, and the limit of open files with it.',
  lines: 'MAX_CONNECTIONS=20000',
};

export const DISTANCE: Remedy = {
  how: 'Answers arrive late by as much. Serve it nearer to its users, or look for what is busy: the network, a proxy, the machine.',
};

/** An address, or a user, has as many sockets as it may. */
const LIMITED: Remedy = {
  how: 'Close what is open, or raise the limit: one of an address, or that of a user. Behind a proxy that TRUST_PROXY does not name, all clients have its address.',
  lines:
    'LIMIT_SOCKETS_PER_ADDRESS=1000\nLIMIT_HANDSHAKES_PER_10S=200\nLIMIT_SOCKETS=20\n# or\nTRUST_PROXY=loopback',
};

const OF_REFUSALS: Readonly<Record<string, Remedy>> = {
  rate_limited: LIMITED,
  unauthorized: TOKEN,
  auth_expired: TOKEN,
  store_unavailable: NO_STORE,
  shutting_down: DRAINING,
};

/** @param code of what llm-cast says of a client that may not connect */
export const ofRefusal = (code: string): Remedy =>
  OF_REFUSALS[code] ?? { how: `The log of llm-cast says more (${code}).` };

/** @param url of REST */
export const askModel = (url: string): Remedy => ({
  how: 'Only a short answer shows it, which costs the GPU (on the page: “Also ask the model”).',
  lines: `llm-cast doctor --generate ${url}`,
});

/** @param port of Socket.IO, as llm-cast says */
export const socketLocation = (port: number): Remedy => ({
  how: 'Let the proxy send /socket.io/ to the port of Socket.IO, with the upgrade. In nginx:',
  lines: `location /socket.io/ {
    proxy_pass http://127.0.0.1:${port};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_buffering off;
    proxy_read_timeout 1h;
}`,
});

export const allowOrigin = (origin: string): Remedy => ({
  how: 'Name it in the settings of llm-cast, and let the proxy pass the Host header on (in nginx: the second line).',
  lines: `CORS_ORIGINS=${origin}\nproxy_set_header Host $http_host;`,
});

export const passCors = (origin: string): Remedy => ({
  how: 'Let the proxy pass OPTIONS requests and the CORS headers of answers through. Where it adds such headers itself, take that out, and name the origin in the settings of llm-cast:',
  lines: `CORS_ORIGINS=${origin}`,
});

export const publicSocketUrl = (url: string, how: string): Remedy => ({
  how: `${how} Tell llm-cast where its pages find Socket.IO:`,
  lines: `PUBLIC_SOCKET_URL=${url}`,
});

/** @param url of REST, whose proxy ends TLS */
export const behindTls = (url: string, port: number): Remedy => ({
  how: 'Pages that came over https look for Socket.IO over https too. Let the proxy that ends TLS serve both, and tell llm-cast so (the first line). In nginx:',
  lines: `PUBLIC_SOCKET_URL=${url}\n\n${socketLocation(port).lines}`,
});

export const otherScheme = (url: string): Remedy => ({
  how: 'Ask for it by its other scheme:',
  lines: url,
});

/** The servers of OPENAI_BASE_URL are called `openai`, `openai-2`, …. */
const isOpenAi = (name: string): boolean => /^openai(-\d+)?$/.test(name);

/** @param name of the upstream, as llm-cast calls it */
export const upstreamRedirects = (name: string): Remedy => ({
  how: 'It is not the model server that answers there: a sign-in page, or a proxy that moved. Set the address to where the redirect points, if that is the model server.',
  lines: `${isOpenAi(name) ? 'OPENAI_BASE_URL' : 'OLLAMA_BASE_URL'}=…`,
});

export const upstreamDown = (name: string): Remedy =>
  isOpenAi(name)
    ? {
        how: 'Check the address and the key in the settings of llm-cast.',
        lines: 'OPENAI_BASE_URL=https://api.openai.com/v1\nOPENAI_API_KEY=…',
      }
    : {
        how: 'Start Ollama, and check its address in the settings of llm-cast, as seen from there. On another machine, or beside a container, Ollama must listen on more than the loopback address (the last line).',
        lines:
          'ollama serve\nOLLAMA_BASE_URL=http://localhost:11434\nOLLAMA_HOST=0.0.0.0 ollama serve',
      };
