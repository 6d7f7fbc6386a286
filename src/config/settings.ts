import { z } from 'zod';
import { accessSettings } from './access-settings.js';
import { origin } from './origin.js';
import {
  flag,
  integer,
  jsonObject,
  list,
  milliseconds,
  upstreamUrl,
  apiKey,
  headers,
  registries,
  trustedProxies,
  wholeNumber,
} from './values.js';

/** Most model servers in one list. */
const MAX_UPSTREAMS = 64;

/**
 * Every setting: its name in the environment, how it is read, its default and what it is for.
 * `docs/settings.md`, the README's table and `.env.example` are checked against this schema.
 */
export const settings = z.object({
  PORT: integer(0, 65_535, 3000).describe('Port of the REST server; 0 = any free port'),
  HOST: z
    .string()
    .regex(/^[\w.:-]{1,253}$/)
    .meta({ expected: 'a host name or an IP address' })
    .default('127.0.0.1')
    .describe('Address both servers listen on; 0.0.0.0 = every interface'),
  SOCKET_PORT: integer(0, 65_535, 4321).describe(
    'Port of the Socket.IO server; equal to PORT = one port for both; 0 = any free port',
  ),
  PUBLIC_SOCKET_URL: z
    .string()
    .regex(/^https?:\/\/[^/?#@\s]+\/?$/)
    .refine((url) => URL.canParse(url))
    .meta({ expected: 'an origin such as https://chat.example.com' })
    .optional()
    .describe(
      'Where the chat page finds Socket.IO; unset = at its own host name, on the port of Socket.IO',
    ),
  BASE_PATH: z
    .string()
    .transform((path) => path.replace(/\/+$/, ''))
    .pipe(z.string().regex(/^(\/[\w.~-]+)*$/))
    .meta({ expected: 'a path such as /chat' })
    .default('')
    .describe(
      'Path below which a proxy shows both servers, whether it takes it off or not; empty = none',
    ),
  SOCKET_TRANSPORTS: z
    .string()
    .transform(list)
    .pipe(z.array(z.enum(['polling', 'websocket'])).min(1))
    .meta({ expected: 'polling, websocket or both, separated by a comma' })
    .default(['polling', 'websocket'])
    .describe('Socket.IO transports that are offered'),
  OLLAMA_BASE_URL: z
    .string()
    .transform(list)
    .pipe(z.array(upstreamUrl).max(MAX_UPSTREAMS))
    .meta({ expected: 'http or https URLs, such as http://localhost:11434, separated by commas' })
    .default(['http://localhost:11434'])
    .describe('Where Ollama answers, one or several; empty = no Ollama; OLLAMA_HOST is an alias'),
  OLLAMA_MODEL: z.string().default('llama3.2').describe('Model of requests that name none'),
  OPENAI_BASE_URL: z
    .string()
    .transform(list)
    .pipe(
      z
        .array(upstreamUrl.transform((url) => (new URL(url).pathname === '/' ? `${url}/v1` : url)))
        .max(MAX_UPSTREAMS),
    )
    .meta({
      expected: 'http or https URLs, such as https://api.openai.com/v1, separated by commas',
    })
    .default([])
    .describe('Where an OpenAI-compatible server answers, one or several; empty = there is none'),
  OPENAI_API_KEY: apiKey
    .optional()
    .describe('Key for OPENAI_BASE_URL, sent there and nowhere else'),
  OPENAI_MODEL: z
    .string()
    .optional()
    .describe('Model of requests that name none, where there is no Ollama'),
  OPENAI_HEADERS: headers
    .default({})
    .describe('More headers for each request to OPENAI_BASE_URL, as a JSON object'),
  OPENAI_BODY: jsonObject
    .refine((fields) => !['model', 'messages', 'stream'].some((name) => name in fields))
    .meta({ expected: 'a JSON object without model, messages and stream' })
    .default({})
    .describe('More fields of each request to OPENAI_BASE_URL; what is asked wins'),
  OLLAMA_API_KEY: apiKey
    .optional()
    .describe('Key for a proxy in front of Ollama, or for ollama.com: sent as a bearer token'),
  OLLAMA_HEADERS: headers
    .default({})
    .describe('More headers for each request to Ollama, as a JSON object'),
  OLLAMA_TRUNCATE: flag(false).describe(
    'Let Ollama cut a conversation that does not fit its context; false = such a request fails as context_overflow',
  ),
  OLLAMA_SHIFT: flag(false).describe(
    'Let Ollama drop the beginning of a text that outgrows its context; false = the answer ends with length',
  ),
  THINK_TAGS: flag(true).describe(
    'Tell thinking apart that stands as <think>…</think> at the beginning of an answer',
  ),
  OLLAMA_OPTIONS: jsonObject
    .default({})
    .describe(
      "Model options put on each request, for example num_ctx; a caller's sampling options win",
    ),
  OLLAMA_KEEP_ALIVE: z
    .string()
    .regex(/^(-?\d+|(-?\d+(\.\d+)?(ns|us|ms|s|m|h))+)$/)
    .transform((value) => (/^-?\d+$/.test(value) ? Number(value) : value))
    .meta({ expected: 'seconds, or a duration such as 10m; negative = for ever' })
    .optional()
    .describe("How long Ollama keeps a model loaded after a request; unset = Ollama's default"),
  ALLOW_PULL: flag(false).describe('Whether clients may have Ollama pull models'),
  PULL_REGISTRIES: registries
    .default([])
    .describe("Hosts that models may be pulled from, besides Ollama's own library"),
  ALLOWED_MODELS: z
    .string()
    .transform(list)
    .default([])
    .describe('Models that a caller may name, separated by commas; empty = all'),
  CONNECT_TIMEOUT_MS: milliseconds(10_000).describe('Time for a connection to the upstream'),
  FIRST_BYTE_TIMEOUT_MS: milliseconds(600_000).describe(
    'Time until the first byte of an answer; a cold model load takes minutes',
  ),
  IDLE_TIMEOUT_MS: milliseconds(120_000).describe('Longest silence inside an answer'),
  GENERATION_TIMEOUT_MS: milliseconds(1_800_000).describe('Longest time of one generation'),
  MAX_LINE_BYTES: integer(1024, 1_073_741_824, 8_388_608).describe(
    'Longest line that is read from the upstream',
  ),
  CORS_ORIGINS: z
    .string()
    .transform(list)
    .pipe(z.array(origin))
    .meta({
      expected:
        'origins such as https://chat.example.com, https://*.example.com or capacitor://localhost, without a path, separated by commas',
    })
    .default([])
    .describe(
      'Origins whose pages may use the server, besides its own (on a loopback HOST: any loopback origin); https://*.example.com = every name below it',
    ),
  KEEP_ALIVE_TIMEOUT_MS: milliseconds(75_000).describe(
    'How long an idle connection is kept, on both ports; more than the idle time of the proxy or balancer in front',
  ),
  ALLOWED_HOSTS: z
    .string()
    .transform(list)
    .pipe(z.array(z.string().regex(/^(\*|(\*\.)?[\w-]+(\.[\w-]+)*)$/)))
    .meta({ expected: 'host names without a port, such as llm.example.com, separated by commas' })
    .default([])
    .describe(
      'Host names under which the server may be asked, besides IP addresses, loopback names and the hosts of CORS_ORIGINS and PUBLIC_SOCKET_URL; * = any',
    ),
  MAX_CONNECTIONS: integer(1, 1_000_000, 10_000).describe('Most open connections of each server'),
  MAX_BODY_BYTES: integer(1024, 1_073_741_824, 20_971_520).describe(
    'Largest request, over REST and over the socket; images need room',
  ),
  MAX_PROMPT_CHARS: integer(1, 1_073_741_824, 1_000_000).describe(
    'Most characters of text in one request (prompt, system, suffix and messages together)',
  ),
  MAX_OUTPUT_BYTES: integer(1, 1_073_741_824, 16_777_216).describe(
    'Most bytes of one answer, thinking and tool calls included',
  ),
  MAX_TOKENS: integer(0, 1_000_000_000, 4096).describe(
    'Most tokens of one answer, thinking included: a larger num_predict counts as this; 0 = no limit',
  ),
  MAX_CONCURRENT: z
    .string()
    .transform(list)
    .pipe(
      z
        .array(
          z
            .string()
            .regex(/^\d{1,5}$/)
            .transform(Number)
            .pipe(z.number().min(1)),
        )
        .min(1),
    )
    .meta({ expected: 'a whole number from 1, or a list of them in the order of the upstreams' })
    .default([])
    .describe(
      'Generations that run at once on each upstream; default 1 for Ollama (its OLLAMA_NUM_PARALLEL), 16 for an OpenAI-compatible server',
    ),
  MAX_QUEUE: integer(0, 100_000, 100).describe('Most requests that wait for a slot, in all'),
  QUEUE_TIMEOUT_MS: milliseconds(600_000).describe('Longest time a request waits for a slot'),
  MAX_CONCURRENT_PER_USER: integer(0, 10_000, 0).describe(
    'Most generations of one user that run at once; 0 = no limit',
  ),
  MAX_QUEUE_PER_USER: integer(0, 100_000, 0).describe(
    'Most requests of one user that wait; 0 = no limit',
  ),
  ROUTE_BY_PREFIX: flag(true).describe(
    'Send the next turn of a conversation to the upstream that has read the turns before it',
  ),
  ABANDON_AFTER_MS: milliseconds(120_000, 0).describe(
    'How long a generation goes on after its last reader has left',
  ),
  MAX_LOG_BYTES: integer(1_048_576, 1_099_511_627_776, 268_435_456).describe(
    'Memory for all kept generations; over it the oldest ended ones go first',
  ),
  RETAIN_MS: milliseconds(600_000).describe('How long a generation is kept after its end'),
  REDIS_URL: z
    .string()
    .transform(list)
    .pipe(
      z
        .array(z.url({ protocol: /^rediss?$/ }).regex(/^rediss?:\/\/[^\s/?#]/))
        .min(1)
        .max(64),
    )
    .meta({ expected: 'a redis or rediss URL, or several of a Redis Cluster, separated by commas' })
    .optional()
    .describe('Redis or Valkey that several nodes share; unset = this node is alone'),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w:.-]{1,64}$/)
    .meta({ expected: 'letters, digits, : . _ and -' })
    .default('lc:')
    .describe('What all keys and channels in Redis begin with'),
  NODE_ID: z
    .string()
    .regex(/^[A-Za-z0-9]{1,4}$/)
    .meta({ expected: '1 to 4 letters and digits' })
    .optional()
    .describe('What the ids of this node begin with, so that a proxy can tell it by them'),
  NODE_LEASE_MS: milliseconds(5_000, 500).describe(
    'How long a node may be silent before the others end its generations',
  ),
  CLUSTER_KEEP_REQUESTS: flag(true).describe(
    'Keeps a request in Redis until its answer begins, so that another node can go on with it',
  ),
  SOCKET_BUFFER_BYTES: integer(1024, 67_108_864, 65_536).describe(
    'Bytes held for a socket before its readers wait',
  ),
  SLOW_READER_MS: milliseconds(30_000).describe(
    'A client that takes no byte for so long is cut; it may come back and join',
  ),
  DOORS: z
    .string()
    .transform(list)
    .pipe(z.array(z.enum(['openai', 'ollama', 'ai-sdk'])))
    .meta({ expected: 'openai, ollama and ai-sdk, or some of them, separated by commas' })
    .default(['openai', 'ollama', 'ai-sdk'])
    .describe("Doors that are open to other people's clients; empty = none"),
  ...accessSettings,
  TRUST_CLIENT_USER_ID: flag(false).describe(
    'Believe auth.userId of a handshake although others than this machine can connect',
  ),
  TRUST_PROXY: trustedProxies
    .default(false)
    .describe('Which proxies in front are believed when they say X-Forwarded-For'),
  DRAIN_MS: milliseconds(25_000, 0).describe(
    'On SIGTERM: how long running generations may go on before they are interrupted',
  ),
  LOG_LEVEL: z
    .enum(['verbose', 'debug', 'log', 'warn', 'error', 'fatal'])
    .meta({ expected: 'verbose, debug, log, warn, error or fatal' })
    .default('log')
    .describe('Least important level that is logged'),
  METRICS: flag(false).describe(
    'Serve metrics for Prometheus as /metrics, to callers with the scope admin, and on a loopback HOST to whoever sits at the machine',
  ),
  METRICS_PORT: wholeNumber(0, 65_535)
    .optional()
    .describe(
      'Serve the metrics on a port of their own instead, to whoever can reach it; 0 = any free port',
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .meta({ expected: 'an http or https URL, such as http://localhost:4318' })
    .optional()
    .describe('Where an OpenTelemetry collector takes traces (OTLP over HTTP); unset = no traces'),
  OTEL_SERVICE_NAME: z
    .string()
    .default('llm-cast')
    .describe('What this service is called in traces'),
  LOG_FORMAT: z
    .enum(['text', 'json'])
    .meta({ expected: 'text or json' })
    .default('text')
    .describe('How a log line is written'),
});
