import * as fc from 'fast-check';
import { ConfigError } from './config-error.js';
import { allowsAnonymous } from './config.js';
import { loadConfig } from './load.js';
import { settings } from './settings.js';

const ONE_DAY = 86_400_000;
const GIB = 1_073_741_824;

/** Settings that are whole numbers: default, smallest, largest. */
const NUMBERS: Record<string, [number, number, number]> = {
  PORT: [3000, 0, 65_535],
  SOCKET_PORT: [4321, 0, 65_535],
  KEEP_ALIVE_TIMEOUT_MS: [75_000, 1, ONE_DAY],
  MAX_CONNECTIONS: [10_000, 1, 1_000_000],
  CONNECT_TIMEOUT_MS: [10_000, 1, ONE_DAY],
  FIRST_BYTE_TIMEOUT_MS: [600_000, 1, ONE_DAY],
  IDLE_TIMEOUT_MS: [120_000, 1, ONE_DAY],
  GENERATION_TIMEOUT_MS: [1_800_000, 1, ONE_DAY],
  MAX_LINE_BYTES: [8_388_608, 1024, GIB],
  MAX_BODY_BYTES: [20_971_520, 1024, GIB],
  MAX_PROMPT_CHARS: [1_000_000, 1, GIB],
  MAX_OUTPUT_BYTES: [16_777_216, 1, GIB],
  MAX_TOKENS: [4096, 0, 1_000_000_000],
  MAX_QUEUE: [100, 0, 100_000],
  QUEUE_TIMEOUT_MS: [600_000, 1, ONE_DAY],
  MAX_CONCURRENT_PER_USER: [0, 0, 10_000],
  MAX_QUEUE_PER_USER: [0, 0, 100_000],
  ABANDON_AFTER_MS: [120_000, 0, ONE_DAY],
  NODE_LEASE_MS: [5_000, 500, ONE_DAY],
  MAX_LOG_BYTES: [268_435_456, 1_048_576, 1024 * GIB],
  RETAIN_MS: [600_000, 1, ONE_DAY],
  SOCKET_BUFFER_BYTES: [65_536, 1024, 67_108_864],
  SLOW_READER_MS: [30_000, 1, ONE_DAY],
  DRAIN_MS: [25_000, 0, ONE_DAY],
  LIMIT_STARTS_PER_MINUTE: [20, 0, 1e12],
  LIMIT_RUNNING: [3, 0, 1e12],
  LIMIT_WAITING: [10, 0, 1e12],
  LIMIT_SOCKETS: [10, 0, 1e12],
  LIMIT_TOKENS_PER_DAY: [0, 0, 1e12],
  LIMIT_JOINS_PER_10S: [5, 0, 1e12],
  LIMIT_HANDSHAKES_PER_10S: [20, 0, 1e12],
  LIMIT_SOCKETS_PER_ADDRESS: [100, 0, 1e12],
  LIMIT_FAILED_TOKENS_PER_MINUTE: [30, 0, 1e12],
};

const SECRET = 'a-secret-of-at-least-thirty-two-bytes';

/** The other settings: default, then pairs of what is written and what is read. */
const OTHERS: Record<string, [unknown, [string, unknown][]]> = {
  HOST: [
    '127.0.0.1',
    [
      ['0.0.0.0', '0.0.0.0'],
      ['::1', '::1'],
      ['my-host.lan', 'my-host.lan'],
    ],
  ],
  BASE_PATH: [
    '',
    [
      ['/chat', '/chat'],
      ['/chat/', '/chat'],
      ['/tools/llm-cast//', '/tools/llm-cast'],
      ['/', ''],
    ],
  ],
  SOCKET_TRANSPORTS: [
    ['polling', 'websocket'],
    [
      ['websocket', ['websocket']],
      ['websocket, polling', ['websocket', 'polling']],
    ],
  ],
  OLLAMA_BASE_URL: [
    ['http://localhost:11434'],
    [
      ['https://gpu.lan/', ['https://gpu.lan']],
      ['http://a:1, b,', ['http://a:1', 'http://b:11434']],
    ],
  ],
  OPENAI_BASE_URL: [
    [],
    [
      ['https://api.openai.com', ['https://api.openai.com/v1']],
      ['http://vllm:8000/api/v3/', ['http://vllm:8000/api/v3']],
      ['http://a:1, http://b:2/v1', ['http://a:1/v1', 'http://b:2/v1']],
    ],
  ],
  OPENAI_API_KEY: [undefined, [['sk-1', 'sk-1']]],
  OPENAI_MODEL: [undefined, [['gpt-x', 'gpt-x']]],
  REDIS_URL: [
    undefined,
    [
      ['redis://localhost:6379', ['redis://localhost:6379']],
      ['rediss://a:1, rediss://b:1', ['rediss://a:1', 'rediss://b:1']],
    ],
  ],
  REDIS_PREFIX: ['lc:', [['chat:', 'chat:']]],
  NODE_ID: [undefined, [['a1', 'a1']]],
  OPENAI_HEADERS: [{}, [['{"X-Title": "llm-cast"}', { 'X-Title': 'llm-cast' }]]],
  OPENAI_BODY: [{}, [['{"service_tier": "flex"}', { service_tier: 'flex' }]]],
  OLLAMA_API_KEY: [undefined, [['k-1', 'k-1']]],
  OLLAMA_HEADERS: [{}, [['{"Authorization": "Basic eA=="}', { Authorization: 'Basic eA==' }]]],
  OLLAMA_TRUNCATE: [false, [['true', true]]],
  OLLAMA_SHIFT: [false, [['yes', true]]],
  THINK_TAGS: [true, [['false', false]]],
  PULL_REGISTRIES: [
    [],
    [
      ['hf.co', ['hf.co']],
      [' HF.co, registry.example.com:5000 ,', ['hf.co', 'registry.example.com:5000']],
    ],
  ],
  MAX_CONCURRENT: [[], [['4', [4]]]],
  DOORS: [
    ['openai', 'ollama', 'ai-sdk'],
    [
      ['openai', ['openai']],
      ['ollama, ai-sdk', ['ollama', 'ai-sdk']],
      ['', []],
    ],
  ],
  METRICS: [false, [['true', true]]],
  METRICS_PORT: [
    undefined,
    [
      ['0', 0],
      ['9464', 9464],
    ],
  ],
  OTEL_EXPORTER_OTLP_ENDPOINT: [undefined, [['http://localhost:4318', 'http://localhost:4318']]],
  OTEL_SERVICE_NAME: ['llm-cast', [['chat', 'chat']]],
  ALLOW_PULL: [false, [['true', true]]],
  CLUSTER_KEEP_REQUESTS: [true, [['false', false]]],
  OLLAMA_MODEL: ['llama3.2', [['qwen3:8b', 'qwen3:8b']]],
  OLLAMA_OPTIONS: [{}, [['{"num_ctx": 8192}', { num_ctx: 8192 }]]],
  OLLAMA_KEEP_ALIVE: [
    undefined,
    [
      ['300', 300],
      ['-1', -1],
      ['10m', '10m'],
      ['1h30m', '1h30m'],
    ],
  ],
  ALLOWED_HOSTS: [
    [],
    [
      [' llm.example.com,*.b.example,', ['llm.example.com', '*.b.example']],
      ['*', ['*']],
    ],
  ],
  ALLOWED_MODELS: [[], [[' llama3.2 , qwen3:8b,', ['llama3.2', 'qwen3:8b']]]],
  ROUTE_BY_PREFIX: [true, [['false', false]]],
  TRUST_CLIENT_USER_ID: [
    false,
    [
      ['true', true],
      ['false', false],
      ['0', false],
    ],
  ],
  TRUST_PROXY: [
    false,
    [
      ['true', true],
      ['2', 2],
      ['loopback, 10.0.0.0/8', ['loopback', '10.0.0.0/8']],
      ['10.0.0.7,::1,fc00::/7,', ['10.0.0.7', '::1', 'fc00::/7']],
      ['linklocal,uniquelocal', ['linklocal', 'uniquelocal']],
    ],
  ],
  CORS_ORIGINS: [
    [],
    [
      ['https://a.lan, http://b:8080', ['https://a.lan', 'http://b:8080']],
      ['https://a.lan:443,http://b:80', ['https://a.lan', 'http://b']],
      ['https://a.lan:80,http://b:443', ['https://a.lan:80', 'http://b:443']],
      ['HTTPS://Chat.Example.COM', ['https://chat.example.com']],
      ['https://bücher.example', ['https://xn--bcher-kva.example']],
      ['http://[0:0::1]:8080', ['http://[::1]:8080']],
      ['https://*.example.com:443', ['https://*.example.com']],
      ['http://*.Example.com:8080', ['http://*.example.com:8080']],
      [
        'capacitor://localhost,ionic://localhost,tauri://localhost,app://obsidian.md',
        ['capacitor://localhost', 'ionic://localhost', 'tauri://localhost', 'app://obsidian.md'],
      ],
      [
        'chrome-extension://abcdefghijklmnopabcdefghijklmnop,app://-',
        ['chrome-extension://abcdefghijklmnopabcdefghijklmnop', 'app://-'],
      ],
    ],
  ],
  PUBLIC_SOCKET_URL: [
    undefined,
    [
      ['https://chat.lan', 'https://chat.lan'],
      ['http://10.0.0.7:4321/', 'http://10.0.0.7:4321/'],
    ],
  ],
  API_KEYS_FILE: [undefined, [['/etc/llm-cast/keys', '/etc/llm-cast/keys']]],
  JWT_SECRET: [
    undefined,
    [
      [SECRET, [SECRET]],
      [`${SECRET}, ${SECRET}2`, [SECRET, `${SECRET}2`]],
    ],
  ],
  JWT_JWKS_URL: [undefined, [['https://id.lan/keys', 'https://id.lan/keys']]],
  JWT_ISSUER: [undefined, [['https://id.lan', 'https://id.lan']]],
  JWT_AUDIENCE: ['llm-cast', [['my-app', 'my-app']]],
  ALLOW_ANONYMOUS: [
    undefined,
    [
      ['true', true],
      ['false', false],
    ],
  ],
  LOG_LEVEL: ['log', [['verbose', 'verbose']]],
  LOG_FORMAT: ['text', [['json', 'json']]],
};

const WRONG: [string, string[]][] = [
  ...Object.entries(NUMBERS).map(([name, [, min, max]]): [string, string[]] => [
    name,
    [`${min - 1}`, `${max + 1}`, '1.5', '1e3', '0x10', 'many', '1 000', '9'.repeat(400)],
  ]),
  ['HOST', ['http://x', 'a b', 'x'.repeat(300)]],
  ['BASE_PATH', ['chat', '/a b', '/a?b', '//chat', 'https://chat.lan/a', '/ä']],
  ['SOCKET_TRANSPORTS', ['tcp', 'polling,tcp', ',']],
  [
    'OLLAMA_BASE_URL',
    ['http://', 'http://a b', 'ftp://gpu', 'http://x?key=1', 'http://me:100%@gpu', '::x'],
  ],
  ['OPENAI_BASE_URL', ['ftp://gpu', 'http://x?key=1', 'http://me:pw@gpu:port', 'http://%a@x']],
  ['OPENAI_API_KEY', ['two words', 'schlüssel']],
  ['OLLAMA_API_KEY', ['two words', 'schlüssel']],
  ...['OLLAMA_HEADERS', 'OPENAI_HEADERS'].map((name): [string, string[]] => [
    name,
    [
      '{',
      '[]',
      '{"X": 7}',
      '{"X": null}',
      '{"a b": "x"}',
      '{"": "x"}',
      '{"X": "a\\r\\nHost: b"}',
      '{"X": "世"}',
      '{"Host": "x"}',
      '{"content-length": "1"}',
      '{"Transfer-Encoding": "chunked"}',
      '{"accept-encoding": "gzip"}',
    ],
  ]),
  ['OPENAI_BODY', ['{', '[]', '{"model": "x"}', '{"messages": []}', '{"stream": false}']],
  ['PULL_REGISTRIES', ['http://hf.co', 'hf.co/a', 'a b', 'hf.co:port', '*']],
  ['OLLAMA_TRUNCATE', ['perhaps']],
  ['OLLAMA_SHIFT', ['perhaps']],
  ['THINK_TAGS', ['perhaps']],
  ['DOORS', ['anthropic', 'openai,soap']],
  ['METRICS', ['perhaps']],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', ['localhost:4318', 'grpc://localhost:4317', 'x']],
  ['METRICS_PORT', ['-1', '65536', 'x']],
  ['ALLOW_PULL', ['perhaps']],
  ['CLUSTER_KEEP_REQUESTS', ['perhaps']],
  ['OLLAMA_OPTIONS', ['{', '[]', 'null', '7', '"x"', 'num_ctx=8192']],
  ['OLLAMA_KEEP_ALIVE', ['soon', '10 minutes', '5d']],
  ['TRUST_CLIENT_USER_ID', ['perhaps', '2']],
  [
    'TRUST_PROXY',
    [
      'everyone!',
      'a b',
      'yes',
      'TRUE',
      'constructor',
      'proxy.lan',
      '300.0.0.1',
      '10.0.0.0/33',
      '0.0.0.0/0',
      '::1/129',
      '1000',
      ',',
    ],
  ],
  ['ALLOWED_HOSTS', ['a:3000', 'http://a', 'a b', '*.', 'a.*.b', '*a']],
  [
    'CORS_ORIGINS',
    [
      '*',
      'null',
      'chat.lan',
      'https://chat.lan/path',
      'https://chat.lan/',
      'https://a.lan,b',
      'https://',
      'https://*',
      'https://*.com',
      'https://*example.com',
      'https://a.*.example.com',
      'https://chat.lan:*',
      'https://chat.lan:99999',
      'https://me@chat.lan',
      'capacitor://*.example.com',
      'capacitor://',
      'capacitor:localhost',
      'app://obsidian.md/path',
      'file:///',
    ],
  ],
  ['REDIS_URL', ['localhost:6379', 'http://localhost:6379']],
  ['REDIS_PREFIX', ['a b', 'x'.repeat(65)]],
  ['NODE_ID', ['a-b', 'abcde']],
  [
    'PUBLIC_SOCKET_URL',
    [
      'chat.lan',
      'ws://chat.lan',
      'https://chat.lan/path',
      'http://a b',
      'https://chat.lan:99999',
      'http://[::1',
      'https://me:pw@chat.lan',
    ],
  ],
  ['MAX_CONCURRENT', ['0', '-1', '1.5', 'many', '1,0', ',']],
  ['JWT_SECRET', ['short', `${SECRET},short`, 'x'.repeat(31), Array(5).fill(SECRET).join(',')]],
  ['JWT_JWKS_URL', ['id.lan', 'file:///etc/passwd', 'ftp://id.lan/keys', 'https://a:b@id.lan/k']],
  ['ALLOW_ANONYMOUS', ['perhaps']],
  ['LOG_LEVEL', ['loud', 'LOG,WARN']],
  ['LOG_FORMAT', ['yaml']],
];

const read = (name: string, value: string): unknown =>
  (loadConfig({ ALLOW_ANONYMOUS: 'true', [name]: value }) as unknown as Record<string, unknown>)[
    name
  ];

/** What the boot would say. */
function refusal(env: NodeJS.ProcessEnv): string {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

describe('settings', () => {
  it('have the defaults of the design', () => {
    const rows = [...Object.entries(NUMBERS), ...Object.entries(OTHERS)];
    const expected = Object.fromEntries(rows.map(([name, [fallback]]) => [name, fallback]));
    expect(Object.keys(expected).toSorted()).toEqual(Object.keys(settings.shape).toSorted());
    expect(loadConfig({})).toEqual(expected);
  });

  // An empty OLLAMA_BASE_URL means that there is no Ollama; empty DOORS, that none is open.
  const lists = new Set(['OLLAMA_BASE_URL', 'DOORS']);
  it.each(Object.keys(settings.shape).filter((name) => !lists.has(name)))(
    '%s: an empty or blank value counts as not set',
    (name) => {
      expect(loadConfig({ [name]: '' })).toEqual(loadConfig({}));
      expect(loadConfig({ [name]: ' \t' })).toEqual(loadConfig({}));
    },
  );

  it('ignore other variables and blanks around a value, as a .env file may have them', () => {
    expect(loadConfig({ HOME: '/root', PORT: ' 8080 ' })).toEqual(loadConfig({ PORT: '8080' }));
  });

  it.each(Object.entries(NUMBERS))('%s takes the ends of its range', (name, [, min, max]) => {
    expect(read(name, String(min))).toBe(min);
    expect(read(name, String(max))).toBe(max);
  });

  it.each(Object.entries(OTHERS))('%s is read as what it means', (name, [, pairs]) => {
    for (const [written, meant] of pairs) expect(read(name, written)).toEqual(meant);
  });

  it.each(WRONG)('%s: a wrong value is refused by its name, and not repeated', (name, values) => {
    const said = values.map((value) => refusal({ [name]: value }));
    expect(said[0]).toMatch(new RegExp(`^${name} must be [^.]+.*\\.$`));
    // One sentence for all of them: it holds nothing of the value, which may be a key.
    expect(new Set(said)).toEqual(new Set([said[0]]));
  });

  it('of any kind are read from any text, or refuse it by their name', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.integer().map(String),
      fc.double().map(String),
      fc.json(),
      fc.webUrl({ withQueryParameters: true, withFragments: true }),
      fc.constantFrom('true', 'polling', '-0', '007', '1e9', 'NaN', 'null', '::', '__proto__'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(settings.shape)), text, (name, value) => {
        let got: unknown;
        try {
          got = read(name, value);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as Error).message).toMatch(new RegExp(`^${name} must `));
          return;
        }
        const bounds = NUMBERS[name];
        if (bounds === undefined) return;
        expect(Number.isInteger(got)).toBe(true);
        expect(got).toBeGreaterThanOrEqual(bounds[1]);
        expect(got).toBeLessThanOrEqual(bounds[2]);
      }),
      { numRuns: 2000 },
    );
  });

  it('that are wrong are all named, and only those', () => {
    const said = refusal({ PORT: 'x', HOST: '0.0.0.0', LOG_LEVEL: 'loud', MAX_QUEUE: '-1' });
    expect(said.match(/[A-Z_]{4,}(?= must be )/g)).toEqual(
      expect.arrayContaining(['PORT', 'LOG_LEVEL', 'MAX_QUEUE']),
    );
    expect(said).not.toContain('HOST');
  });

  it.each<[NodeJS.ProcessEnv, string]>([
    [{ OLLAMA_BASE_URL: '' }, 'OLLAMA_BASE_URL'],
    [{ OLLAMA_BASE_URL: '', OPENAI_BASE_URL: 'http://a' }, 'OPENAI_MODEL'],
    [{ OLLAMA_API_KEY: 'k', OLLAMA_HEADERS: '{"authorization":"x"}' }, 'OLLAMA_HEADERS'],
    [{ OPENAI_API_KEY: 'k', OPENAI_HEADERS: '{"Authorization":"x"}' }, 'OPENAI_HEADERS'],
    [{ MAX_CONCURRENT: '1,2' }, 'MAX_CONCURRENT'],
    [{ OLLAMA_BASE_URL: 'a,b', MAX_CONCURRENT: '1,2,3' }, 'MAX_CONCURRENT'],
    [{ JWT_SECRET: SECRET, JWT_JWKS_URL: 'https://id.lan/keys' }, 'JWT_SECRET'],
    [{ HOST: '0.0.0.0' }, 'HOST'],
    [{ HOST: 'my-host.lan', ALLOW_ANONYMOUS: 'false' }, 'HOST'],
  ])('that do not fit together are refused: %j', (env, name) => {
    expect(refusal(env)).toMatch(new RegExp(`^${name} must `));
  });

  it('of several upstreams fit together', () => {
    const env = { OLLAMA_BASE_URL: 'a,b', OPENAI_BASE_URL: 'http://c', MAX_CONCURRENT: '1,2,16' };
    expect(loadConfig(env).MAX_CONCURRENT).toEqual([1, 2, 16]);
    const alone = { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: 'http://c', OPENAI_MODEL: 'm' };
    expect(loadConfig(alone).OLLAMA_BASE_URL).toEqual([]);
    const both = { ...alone, OPENAI_BASE_URL: 'http://c,http://d', MAX_CONCURRENT: '4,8' };
    expect(loadConfig(both).MAX_CONCURRENT).toEqual([4, 8]);
  });

  it.each<NodeJS.ProcessEnv>([
    { ALLOW_ANONYMOUS: 'true' },
    { JWT_SECRET: SECRET },
    { JWT_JWKS_URL: 'https://id.lan/keys' },
    { API_KEYS_FILE: '/etc/llm-cast/keys' },
  ])('let other machines connect only beside %j or its like', (env) => {
    expect(loadConfig({ HOST: '0.0.0.0', ...env }).HOST).toBe('0.0.0.0');
  });

  it.each<[boolean, NodeJS.ProcessEnv]>([
    [true, {}],
    [true, { HOST: '::1' }],
    [false, { JWT_SECRET: SECRET }],
    [false, { ALLOW_ANONYMOUS: 'false' }],
    [true, { JWT_SECRET: SECRET, ALLOW_ANONYMOUS: 'true' }],
    [false, { HOST: '0.0.0.0', JWT_SECRET: SECRET }],
    [true, { HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' }],
  ])('serve anonymous callers: %s with %j', (expected, env) => {
    expect(allowsAnonymous(loadConfig(env))).toBe(expected);
  });

  it.each(['SOCKET_PORT', 'METRICS_PORT'])(
    '%s is not read where it is what Kubernetes tells of a Service of that name, and this is said',
    (name) => {
      const said: string[] = [];
      const env = { [name]: 'tcp://10.96.0.7:4321' };
      expect(loadConfig(env, (sentence) => said.push(sentence))).toEqual(loadConfig({}));
      expect(said).toEqual([
        expect.stringMatching(`^${name} is what Kubernetes tells of a Service`),
      ]);
    },
  );

  it('cannot be changed once they are read', () => {
    const config = loadConfig({}) as { PORT: number };
    expect(() => (config.PORT = 1)).toThrow(TypeError);
    expect(Object.isFrozen(config)).toBe(true);
  });
});

describe('OLLAMA_HOST, as users of Ollama know it', () => {
  it.each([
    ['gpu.lan', 'http://gpu.lan:11434'],
    ['gpu.lan:8080', 'http://gpu.lan:8080'],
    ['gpu.lan:80', 'http://gpu.lan'],
    ['gpu.lan/ollama', 'http://gpu.lan:11434/ollama'],
    [':11434', 'http://127.0.0.1:11434'],
    [':8080', 'http://127.0.0.1:8080'],
    ['0.0.0.0', 'http://127.0.0.1:11434'],
    ['0.0.0.0:11434', 'http://127.0.0.1:11434'],
    ['http://0.0.0.0:11434', 'http://127.0.0.1:11434'],
    ['10.0.0.7', 'http://10.0.0.7:11434'],
    ['http://gpu.lan', 'http://gpu.lan'],
    ['http://gpu.lan:11434/', 'http://gpu.lan:11434'],
    ['https://gpu.lan', 'https://gpu.lan'],
    ['https://gpu.lan/base/', 'https://gpu.lan/base'],
    ['HTTPS://GPU.lan/Base', 'https://gpu.lan/Base'],
    ['[::1]:11434', 'http://[::1]:11434'],
    ['[::1]', 'http://[::1]:11434'],
    ['[::]:11434', 'http://[::1]:11434'],
    ['::1', 'http://[::1]:11434'],
    ['::', 'http://[::1]:11434'],
    ['fd00::7', 'http://[fd00::7]:11434'],
  ])('%s is %s', (written, url) => {
    expect(loadConfig({ OLLAMA_HOST: written }).OLLAMA_BASE_URL).toEqual([url]);
  });

  it('counts for nothing beside OLLAMA_BASE_URL, even where that says that there is no Ollama', () => {
    const sought = (OLLAMA_BASE_URL: string): readonly string[] =>
      loadConfig({
        OLLAMA_HOST: 'gpu.lan',
        OLLAMA_BASE_URL,
        OPENAI_BASE_URL: 'http://b',
        OPENAI_MODEL: 'm',
      }).OLLAMA_BASE_URL;
    expect(sought('http://a')).toEqual(['http://a']);
    expect(sought('')).toEqual([]);
  });

  it('is named when it is wrong', () => {
    expect(refusal({ OLLAMA_HOST: 'http://a b' })).toMatch(/OLLAMA_HOST/);
  });
});
