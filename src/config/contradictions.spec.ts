import { loadConfig } from './load.js';

function warnings(env: Record<string, string>): string[] {
  const said: string[] = [];
  loadConfig(env, (sentence) => said.push(sentence));
  return said;
}

describe('settings that contradict each other', () => {
  it.each<[string, Record<string, string>]>([
    ['OLLAMA_BASE_URL', { OLLAMA_BASE_URL: 'http://ada:secret@gpu:11434' }],
    ['OPENAI_BASE_URL', { OPENAI_BASE_URL: 'https://token@api.example.com' }],
    ['OLLAMA_BASE_URL', { OLLAMA_BASE_URL: 'http://169.254.7.9:11434' }],
    ['OPENAI_BASE_URL', { OPENAI_BASE_URL: 'http://[fe80::1]:8080' }],
    ['OPENAI_API_KEY', { OPENAI_API_KEY: 'sk-secret' }],
    [
      'ALLOW_PULL',
      { ALLOW_PULL: '1', OLLAMA_BASE_URL: '', OPENAI_BASE_URL: 'http://a', OPENAI_MODEL: 'm' },
    ],
    ['MAX_QUEUE_PER_USER', { MAX_QUEUE_PER_USER: '200' }],
    ['IDLE_TIMEOUT_MS', { IDLE_TIMEOUT_MS: '3000000' }],
    ['MAX_BODY_BYTES', { MAX_BODY_BYTES: '500000000' }],
    ['ALLOWED_HOSTS', { ALLOWED_HOSTS: '*' }],
    ['OPENAI_HEADERS', { OPENAI_HEADERS: '{"X-Title":"a"}' }],
    ['OPENAI_BODY', { OPENAI_BODY: '{"top_k":1}' }],
    ...Object.entries({
      OLLAMA_API_KEY: 'key',
      OLLAMA_HEADERS: '{"X-Title":"a"}',
      OLLAMA_TRUNCATE: 'true',
      OLLAMA_MODEL: 'm',
      OLLAMA_KEEP_ALIVE: '5m',
    }).map(([name, value]): [string, Record<string, string>] => [
      name,
      { OLLAMA_BASE_URL: '', OPENAI_BASE_URL: 'http://a', OPENAI_MODEL: 'm', [name]: value },
    ]),
    ['PULL_REGISTRIES', { PULL_REGISTRIES: 'hf.co' }],
    ['REDIS_PREFIX', { REDIS_PREFIX: 'a:' }],
    ['NODE_ID', { NODE_ID: 'a' }],
    ['NODE_LEASE_MS', { NODE_LEASE_MS: '9000' }],
    ['CLUSTER_KEEP_REQUESTS', { CLUSTER_KEEP_REQUESTS: 'false' }],
    ['JWT_ISSUER', { JWT_ISSUER: 'https://id.example.com' }],
    ['JWT_AUDIENCE', { JWT_AUDIENCE: 'chat' }],
    ['OTEL_SERVICE_NAME', { OTEL_SERVICE_NAME: 'chat' }],
    ['ALLOW_ANONYMOUS', { ALLOW_ANONYMOUS: 'false' }],
    ['OPENAI_BASE_URL', { OPENAI_BASE_URL: 'https://api.example.com/v1/chat/completions' }],
    ['OLLAMA_BASE_URL', { OLLAMA_BASE_URL: 'http://gpu:11434/api' }],
    ['must end before /v1', { OLLAMA_BASE_URL: 'http://gpu:11434/v1' }],
    ['must end before /v1/chat', { OLLAMA_BASE_URL: 'http://gpu:11434/v1/chat/completions' }],
    ['OLLAMA_BASE_URL', { OLLAMA_BASE_URL: 'http://gpu:11434/api/generate' }],
    ['OLLAMA_BASE_URL', { OLLAMA_BASE_URL: 'http://a:1,http://b,http://a:1/' }],
    ['OPENAI_BASE_URL', { OPENAI_BASE_URL: 'http://a:1/v1,http://b,http://a:1' }],
    ['OLLAMA_MODEL', { OLLAMA_MODEL: '"llama3.2"' }],
    ['OPENAI_API_KEY', { OPENAI_BASE_URL: 'http://a', OPENAI_API_KEY: "'sk-secret'" }],
    ['OPENAI_BODY', { OPENAI_BASE_URL: 'http://a', OPENAI_BODY: '{"max_tokens":9}' }],
    ['OLLAMA_OPTIONS', { OLLAMA_OPTIONS: '{"num_predict":9000}' }],
    ['LIMIT_WAITING', { LIMIT_WAITING: '200' }],
    ['LIMIT_SOCKETS_PER_ADDRESS', { LIMIT_SOCKETS_PER_ADDRESS: '20000' }],
    ['MAX_PROMPT_CHARS', { MAX_PROMPT_CHARS: '30000000' }],
  ])('%s is named: %j', (name, env) => {
    const said = warnings(env);
    expect(said).toEqual([expect.stringContaining(name)]);
    expect(said[0]).not.toMatch(/secret|token@/);
  });

  it.each<Record<string, string>>([
    { METRICS_PORT: '3000' },
    { METRICS_PORT: '9', SOCKET_PORT: '9' },
    { METRICS_PORT: '8', PORT: '8' },
  ])('METRICS_PORT stops the start where another port is the same: %j', (env) => {
    expect(() => warnings(env)).toThrow(/^METRICS_PORT must not be the same as (SOCKET_)?PORT/);
  });

  it.each([
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'http://localhost:6379'],
    ['REDIS_URL', 'redis://localhost:notaport'],
    ['REDIS_URL', 'redis://localhost:99999'],
    ['REDIS_URL', 'redis:///'],
    ['DOORS', 'openai,anthropic'],
    ['DOORS', 'none'],
    ['METRICS', 'prometheus'],
    ['METRICS_PORT', '99999'],
    ['NODE_ID', 'node-1'],
    ['NODE_LEASE_MS', '1'],
    ['LIMIT_RUNNING', '-1'],
    ['LIMIT_TOKENS_PER_DAY', '1e6'],
    ['JWT_SECRET', 'short'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'localhost:4318'],
  ])('%s=%s stops the start', (name, value) => {
    expect(() => warnings({ [name]: value })).toThrow(new RegExp(`^${name} must be`));
  });

  it('are not those that are as they come', () => {
    expect(warnings({})).toEqual([]);
    const env = {
      OLLAMA_BASE_URL: 'http://a,http://b',
      OPENAI_BASE_URL: 'https://c',
      OPENAI_API_KEY: 'k',
    };
    expect(warnings(env)).toEqual([]);
  });

  it.each([
    'http://169.254.169.254',
    'http://169.254.169.254:80/latest',
    'http://0xa9fea9fe/',
    'http://2852039166',
    'http://[fd00:ec2::254]',
    'http://metadata.google.internal',
    'http://METADATA.google.internal',
  ])('an upstream at %s stops the start', (url) => {
    expect(() => warnings({ OLLAMA_BASE_URL: url })).toThrow(/OLLAMA_BASE_URL must not be/);
    expect(() => warnings({ OPENAI_BASE_URL: url })).toThrow(/OPENAI_BASE_URL must not be/);
  });
});
