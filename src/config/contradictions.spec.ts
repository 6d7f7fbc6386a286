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
  ])('%s is named: %j', (name, env) => {
    const said = warnings(env);
    expect(said).toEqual([expect.stringContaining(name)]);
    expect(said[0]).not.toMatch(/secret|token@/);
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
