import { z } from 'zod';
import { ConfigError } from './config-error.js';
import { type Config, hasCredentials } from './config.js';
import { contradictions, fatal } from './contradictions.js';
import { readEnvFile } from './env-file.js';
import { isLoopback } from './loopback.js';
import { isOfService, misspelt } from './misspelt.js';
import { settings } from './settings.js';

/** Lists whose empty value is not an unset one: there is no Ollama, no door is open. */
const MAY_BE_EMPTY: readonly string[] = ['OLLAMA_BASE_URL', 'DOORS'];

/**
 * Reads the settings. An empty variable counts as not set.
 * @param env by default the process environment, over a `.env` file in the working directory
 * @param warn called with a sentence for each setting that is misspelt, lost or without effect
 * @throws ConfigError with one sentence for each wrong variable, or for a `.env` that cannot be read
 */
export function loadConfig(
  env?: NodeJS.ProcessEnv,
  warn: (sentence: string) => void = () => undefined,
): Config {
  env ??= processEnvironment(warn);
  const written = Object.entries(env).flatMap(([name, value]): [string, string][] => {
    const trimmed = value?.trim();
    return trimmed === undefined || trimmed === '' ? [] : [[name, trimmed]];
  });
  const given = Object.fromEntries(written.filter((setting) => !isOfService(...setting)));
  const { OLLAMA_HOST: alias } = given;
  const isAlias = env['OLLAMA_BASE_URL'] === undefined && alias !== undefined;
  if (isAlias) given['OLLAMA_BASE_URL'] = alias;
  for (const name of MAY_BE_EMPTY) if (env[name]?.trim() === '') given[name] = ',';
  const result = settings.safeParse(given);
  if (result.success) {
    checkTogether(result.data);
    const ofServices = written.filter(
      ([name, value]) => Object.hasOwn(settings.shape, name) && isOfService(name, value),
    );
    for (const [name] of ofServices)
      warn(`${name} is what Kubernetes tells of a Service of that name, and is not read.`);
    for (const sentence of [...misspelt(env), ...contradictions(result.data, given)])
      warn(sentence);
    return Object.freeze(result.data);
  }
  const wrong = new Set(result.error.issues.map((issue) => String(issue.path[0])));
  throw new ConfigError(
    [...wrong]
      .map((name) => {
        const said = isAlias && name === 'OLLAMA_BASE_URL' ? 'OLLAMA_HOST' : name;
        return `${said} must be ${expected(name)}.`;
      })
      .join(' '),
  );
}

/** Rules that need more than one setting. */
function checkTogether(config: z.output<typeof settings>): void {
  const { OLLAMA_BASE_URL: ollamas, OPENAI_BASE_URL: others, MAX_CONCURRENT: slots } = config;
  const upstreams = ollamas.length + others.length;
  if (upstreams === 0) {
    throw new ConfigError('OLLAMA_BASE_URL must not be empty without an OPENAI_BASE_URL.');
  }
  if (slots.length > 1 && slots.length !== upstreams) {
    throw new ConfigError(
      `MAX_CONCURRENT must be one number, or one for each of ${upstreams} upstreams.`,
    );
  }
  for (const [key, headers] of [
    ['OPENAI_API_KEY', 'OPENAI_HEADERS'],
    ['OLLAMA_API_KEY', 'OLLAMA_HEADERS'],
  ] as const) {
    const names = Object.keys(config[headers]).map((name) => name.toLowerCase());
    if (config[key] !== undefined && names.includes('authorization')) {
      throw new ConfigError(`${headers} must not set Authorization where ${key} is set.`);
    }
  }
  if (ollamas.length === 0 && config.OPENAI_MODEL === undefined) {
    throw new ConfigError('OPENAI_MODEL must be set where there is no Ollama.');
  }
  if (config.JWT_SECRET !== undefined && config.JWT_JWKS_URL !== undefined) {
    throw new ConfigError('JWT_SECRET must not be set beside JWT_JWKS_URL.');
  }
  if (!isLoopback(config.HOST) && config.ALLOW_ANONYMOUS !== true && !hasCredentials(config)) {
    throw new ConfigError(
      'HOST must be a loopback address, such as 127.0.0.1, while everybody is served: set API_KEYS_FILE, JWT_SECRET or JWT_JWKS_URL, or ALLOW_ANONYMOUS=true.',
    );
  }
  const reason = fatal(config);
  if (reason !== undefined) throw new ConfigError(reason);
}

function expected(name: string): string {
  const schema = settings.shape[name as keyof typeof settings.shape];
  for (let inner: z.ZodType = schema; ; inner = inner.unwrap() as z.ZodType) {
    const said = inner.meta()?.['expected'];
    if (typeof said === 'string') return said;
    if (!(inner instanceof z.ZodDefault || inner instanceof z.ZodOptional)) return 'well-formed';
  }
}

/** What is set to nothing in the environment, or by Kubernetes, does not hide what `.env` says. */
function processEnvironment(warn: (sentence: string) => void): NodeJS.ProcessEnv {
  const file = readEnvFile('.env', warn);
  const given = Object.entries(process.env).filter(
    ([name, value = '']) =>
      file[name] === undefined ||
      MAY_BE_EMPTY.includes(name) ||
      (value.trim() !== '' && !isOfService(name, value)),
  );
  return { ...file, ...Object.fromEntries(given) };
}
