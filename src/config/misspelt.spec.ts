import { misspelt } from './misspelt.js';
import { settings } from './settings.js';

describe('a misspelt setting', () => {
  it.each([
    ['MAX_QEUE', 'MAX_QUEUE'],
    ['MAX_QUEU', 'MAX_QUEUE'],
    ['MAX_QUEUES', 'MAX_QUEUE'],
    ['OLLAMA_BASEURL', 'OLLAMA_BASE_URL'],
    ['OLLAMA_BASE_URLS', 'OLLAMA_BASE_URL'],
    ['ollama_base_url', 'OLLAMA_BASE_URL'],
    ['CORS_ORIGIN', 'CORS_ORIGINS'],
    ['ALLOWED_HOST', 'ALLOWED_HOSTS'],
    ['LLM_CAST_PORT', 'PORT'],
    ['LLMCAST_MAX_TOKENS', 'MAX_TOKENS'],
    ['max-queue', 'MAX_QUEUE'],
    ['DOOR', 'DOORS'],
    ['METRIC', 'METRICS'],
    ['METRIC_PORT', 'METRICS_PORT'],
    ['METRICS_ENABLED', 'METRICS'],
    ['REDIS_URI', 'REDIS_URL'],
    ['REDIS_HOST', 'REDIS_URL'],
    ['NODEID', 'NODE_ID'],
    ['LIMIT_SOCKETS_PER_ADRESS', 'LIMIT_SOCKETS_PER_ADDRESS'],
    ['LIMIT_RUNING', 'LIMIT_RUNNING'],
    ['JWT_SECRETS', 'JWT_SECRET'],
    ['OPENAI_API_BASE', 'OPENAI_BASE_URL'],
    ['OLLAMA_URL', 'OLLAMA_BASE_URL'],
  ])('%s is told, with %s', (name, meant) => {
    expect(misspelt({ [name]: 'x' })).toEqual([
      `${name} is no setting and is not read: is ${meant} meant?`,
    ]);
  });

  it('is none of what Kubernetes tells of Services, of ours and of Ollama', () => {
    const told = {
      LLM_CAST_PORT: 'tcp://10.96.0.7:3000',
      OLLAMA_PORT: 'tcp://10.96.0.8:11434',
      OLLAMA_PORT_11434_TCP: 'tcp://10.96.0.8:11434',
    };
    expect(misspelt(told)).toEqual([]);
  });

  it('is none of ours, and none of the names that others have', () => {
    const ours = Object.keys(settings.shape);
    const others =
      'HOME HOSTNAME PATH PORTS LANG TERM SHELL NODE_ENV NODE_OPTIONS USER LOGNAME HOSTS COLORS POST';
    const ollamas =
      'OLLAMA_HOST OLLAMA_MODELS OLLAMA_NUM_PARALLEL OLLAMA_MAX_QUEUE OLLAMA_ORIGINS OLLAMA_DEBUG';
    const names = [...ours, ...others.split(' '), ...ollamas.split(' ')];
    expect(misspelt(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
  });
});
