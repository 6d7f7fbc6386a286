import { type Config, hasCredentials } from './config.js';

/** Where clouds answer to their own machines, keys included. No model server is there. */
const METADATA =
  /^(169\.254\.169\.254|169\.254\.170\.2|100\.100\.100\.200|192\.0\.0\.192|\[fd00:ec2::254\]|metadata\.google\.internal)$/;
/** Link-local addresses: IPv4 (RFC 3927), IPv6 (RFC 4291). */
const LINK_LOCAL = /^(169\.254\.|\[fe[89ab][0-9a-f]:)/;

/** The upstreams, by the setting that names them. */
function upstreamsOf({ OLLAMA_BASE_URL, OPENAI_BASE_URL }: Config): [string, URL][] {
  return [
    ...OLLAMA_BASE_URL.map((url): [string, URL] => ['OLLAMA_BASE_URL', new URL(url)]),
    ...OPENAI_BASE_URL.map((url): [string, URL] => ['OPENAI_BASE_URL', new URL(url)]),
  ];
}

/** Ends of addresses that people copy from examples. */
const ENDPOINT = /\/(chat\/completions|completions|responses|embeddings|models|api(\/\w+)?)$/;
/** Where Ollama answers OpenAI's clients; we ask its own API, which is beside it. */
const OPENAI_API = /\/v1(\/.*)?$/;

/** What the address of an upstream has behind its base; undefined where it has nothing. */
function behindBase(name: string, pathname: string): string | undefined {
  const ofOther = name === 'OLLAMA_BASE_URL' ? OPENAI_API.exec(pathname) : null;
  return (ofOther ?? ENDPOINT.exec(pathname))?.[0];
}

/** Names of the limit that each request has. */
const LIMITS = ['max_tokens', 'max_completion_tokens'];

/** Why these settings must not start; undefined where they may. */
export function fatal(config: Config): string | undefined {
  const [name] = upstreamsOf(config).find(([, { hostname }]) => METADATA.test(hostname)) ?? [];
  if (name !== undefined) {
    return `${name} must not be the metadata address of a cloud: no model server is there.`;
  }
  const { METRICS_PORT: port = 0 } = config;
  const taken = (['PORT', 'SOCKET_PORT'] as const).find((other) => config[other] === port);
  return port !== 0 && taken !== undefined
    ? `METRICS_PORT must not be the same as ${taken}.`
    : undefined;
}

/** Settings that do nothing where what they belong to is missing. */
function withoutEffect(config: Config): [boolean, (keyof Config)[], string][] {
  return [
    [
      config.OPENAI_BASE_URL.length === 0,
      ['OPENAI_API_KEY', 'OPENAI_MODEL', 'OPENAI_HEADERS', 'OPENAI_BODY'],
      'OPENAI_BASE_URL',
    ],
    [
      config.OLLAMA_BASE_URL.length === 0,
      [
        'ALLOW_PULL',
        'OLLAMA_MODEL',
        'OLLAMA_API_KEY',
        'OLLAMA_HEADERS',
        'OLLAMA_TRUNCATE',
        'OLLAMA_SHIFT',
        'OLLAMA_KEEP_ALIVE',
      ],
      'an Ollama',
    ],
    [!config.ALLOW_PULL, ['PULL_REGISTRIES'], 'ALLOW_PULL'],
    [
      config.REDIS_URL === undefined,
      ['REDIS_PREFIX', 'NODE_ID', 'NODE_LEASE_MS', 'CLUSTER_KEEP_REQUESTS'],
      'REDIS_URL',
    ],
    [
      config.JWT_SECRET === undefined && config.JWT_JWKS_URL === undefined,
      ['JWT_ISSUER', 'JWT_AUDIENCE'],
      'JWT_SECRET or JWT_JWKS_URL',
    ],
    [
      config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined,
      ['OTEL_SERVICE_NAME'],
      'OTEL_EXPORTER_OTLP_ENDPOINT',
    ],
  ];
}

/**
 * One sentence for each setting that has no effect, or another than it seems to have.
 * @param given what was set
 */
export function contradictions(config: Config, given: Readonly<Record<string, string>>): string[] {
  const isSet = (name: keyof Config): boolean => Object.hasOwn(given, name);
  const warnings: [boolean, string][] = [
    ...upstreamsOf(config).flatMap(([name, url]): [boolean, string][] => [
      [
        url.password !== '' || url.username !== '',
        `${name} has credentials in it: whoever sees the settings sees them.`,
      ],
      [
        LINK_LOCAL.test(url.hostname),
        `${name} is a link-local address, which is another machine in each network.`,
      ],
    ]),
    ...withoutEffect(config).flatMap(([applies, names, needed]) =>
      names.map((name): [boolean, string] => [
        applies && isSet(name),
        `${name} has no effect without ${needed}.`,
      ]),
    ),
    // As `docker run --env-file` hands them on.
    ...Object.entries(given).map(([name, value]): [boolean, string] => [
      Object.hasOwn(config, name) && /^(["'`]).*\1$/s.test(value),
      `${name} has quotes around its value, which are part of it.`,
    ]),
    [
      config.MAX_QUEUE_PER_USER > config.MAX_QUEUE,
      'MAX_QUEUE_PER_USER is more than MAX_QUEUE, which counts first.',
    ],
    ...(['FIRST_BYTE_TIMEOUT_MS', 'IDLE_TIMEOUT_MS'] as const).map((name): [boolean, string] => [
      config[name] > config.GENERATION_TIMEOUT_MS,
      `${name} is more than GENERATION_TIMEOUT_MS, which ends a generation first.`,
    ]),
    ...(['MAX_OUTPUT_BYTES', 'MAX_BODY_BYTES'] as const).map((name): [boolean, string] => [
      config[name] > config.MAX_LOG_BYTES,
      `${name} is more than MAX_LOG_BYTES, which all generations together may take.`,
    ]),
    ...upstreamsOf(config).map(([name, { pathname }]): [boolean, string] => {
      const more = behindBase(name, pathname);
      const what = 'is the address of one endpoint, or of another API';
      return [more !== undefined, `${name} ${what}: it must end before ${more}.`];
    }),
    ...(['OLLAMA_BASE_URL', 'OPENAI_BASE_URL'] as const).map((name): [boolean, string] => [
      new Set(config[name]).size < config[name].length,
      `${name} names one server twice: each counts as a server of its own.`,
    ]),
    [
      config.ALLOW_ANONYMOUS === false && !hasCredentials(config),
      'ALLOW_ANONYMOUS is false without API_KEYS_FILE, JWT_SECRET or JWT_JWKS_URL: nobody is served.',
    ],
    [
      config.MAX_TOKENS > 0 && LIMITS.some((name) => name in config.OPENAI_BODY),
      `OPENAI_BODY names a limit of tokens, which MAX_TOKENS sets for each request.`,
    ],
    [
      config.MAX_TOKENS > 0 &&
        Number(config.OLLAMA_OPTIONS['num_predict'] ?? 0) > config.MAX_TOKENS,
      'OLLAMA_OPTIONS has a num_predict that is more than MAX_TOKENS, which counts.',
    ],
    [
      isSet('LIMIT_WAITING') && config.LIMIT_WAITING > config.MAX_QUEUE,
      'LIMIT_WAITING is more than MAX_QUEUE, which counts first.',
    ],
    ...(['LIMIT_SOCKETS', 'LIMIT_SOCKETS_PER_ADDRESS'] as const).map((name): [boolean, string] => [
      isSet(name) && config[name] > config.MAX_CONNECTIONS,
      `${name} is more than MAX_CONNECTIONS, which counts first.`,
    ]),
    [
      isSet('MAX_PROMPT_CHARS') && config.MAX_PROMPT_CHARS > config.MAX_BODY_BYTES,
      'MAX_PROMPT_CHARS is more than MAX_BODY_BYTES, which counts first.',
    ],
    [
      config.ALLOWED_HOSTS.includes('*'),
      'ALLOWED_HOSTS is *: pages of any name that leads here may use this server (DNS rebinding).',
    ],
  ];
  return warnings.flatMap(([applies, sentence]) => (applies ? [sentence] : []));
}
