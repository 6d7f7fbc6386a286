import { parseArgs } from 'node:util';
import type { Answer } from './models.js';

/** How the demo upstream behaves. Each switch is also a command line switch: `firstTokenMs` is `--first-token-ms`. */
export interface Switches {
  /** Address to listen on. Default 127.0.0.1. */
  host: string;
  /** TCP port, 0..65535; 0 = any free one. Default 11434. */
  port: number;
  /** Further model names that behave like `demo`. Default none. */
  models: readonly string[];
  /** Models that can be pulled, and then behave like `demo`. Default llama3.2 and qwen3:8b. */
  library: readonly string[];
  /** Megabytes per second of a pull, 0..1 000 000; 0 = as fast as possible. Default 500. */
  pullRate: number;
  /** Tokens per second, 0..1 000 000; 0 = as fast as possible. Default 40. */
  rate: number;
  /** Delay before the first token, and so before the headers, 0..3 600 000 ms. Default 0. */
  firstTokenMs: number;
  /** Extra delay when a model is not loaded yet, 0..3 600 000 ms. Default 0. */
  loadMs: number;
  /** By how much of the gap between two tokens each token is late at random, 0..1. Default 0. */
  jitter: number;
  /** Makes the jitter repeat: every answer with the same seed has the same gaps, 0..4 294 967 295. Default 1. */
  seed: number;
  /** Size of the pieces a streamed answer is written in, 0..1 048 576 bytes; 0 = whole lines. Default 0. */
  splitBytes: number;
  /** End the answer cleanly but without its last line after so many tokens, from 0. Default Infinity = never. */
  truncateAfter: number;
  /** Destroy the connection after so many tokens, from 0. Default Infinity = never. */
  resetAfter: number;
  /** Fail after so many tokens: an error line, with 0 an HTTP 500. Default Infinity = never. */
  errorAfter: number;
  /** Answer generate and chat with 503. Default false. */
  busy: boolean;
  /** Accept a generation and never answer. Default false. */
  hang: boolean;
  /** Generations that run at once, 1..1000; the others wait silently in line. Default 1, as a real Ollama. */
  parallel: number;
}

/** Options of `startFakeOllama`: any of the switches, and what `demo` says. */
export interface FakeOllamaOptions extends Partial<Switches> {
  /** Unless given, it recites a guide. */
  answer?: Answer;
}

/** A switch that is unknown or out of its bounds; the message is one sentence for the user. */
export class SwitchError extends Error {}

interface Switch {
  fallback: Switches[keyof Switches];
  /** What stands after the switch in the help; flags take nothing. */
  value?: string;
  help: string;
  must: string;
  ok(value: unknown): boolean;
  parse(text: string): unknown;
}

const range = (
  fallback: number,
  value: string,
  min: number,
  max: number,
  help: string,
): Switch => ({
  fallback,
  value,
  help,
  must: `a number from ${min} to ${max}`,
  ok: (x) => typeof x === 'number' && (x === fallback || (x >= min && x <= max)),
  parse: (text) => (text.trim() === '' ? NaN : Number(text)),
});

const whole: typeof range = (fallback, value, min, max, help) => {
  const base = range(fallback, value, min, max, help);
  return {
    ...base,
    must: `a whole number from ${min} to ${max}`,
    ok: (x) => base.ok(x) && (x === fallback || Number.isInteger(x)),
  };
};

const after = (help: string): Switch => whole(Infinity, '<tokens>', 0, 1e9, help);

const flag = (help: string): Switch => ({
  fallback: false,
  help,
  must: 'given without a value',
  ok: (x) => typeof x === 'boolean',
  parse: (text) => text,
});

/** What a model may be called, with or without its tag. */
export const MODEL_NAME = /^[\w.-]{1,80}(\/[\w.-]{1,80}){0,2}(:[\w.-]{1,80})?$/;

const names = (fallback: readonly string[], help: string): Switch => ({
  fallback,
  value: '<a,b>',
  help,
  must: 'model names such as llama3.2 or qwen3:8b, separated by commas',
  ok: (x) => Array.isArray(x) && x.every((name) => MODEL_NAME.test(String(name))),
  parse: (text) => text.split(',').map((name) => name.trim()),
});

const TABLE: Readonly<Record<keyof Switches, Switch>> = {
  host: {
    fallback: '127.0.0.1',
    value: '<address>',
    help: 'address to listen on',
    must: 'an address or host name',
    ok: (x) => typeof x === 'string' && /^\S+$/.test(x),
    parse: (text) => text,
  },
  port: whole(11434, '<port>', 0, 65535, 'TCP port, 0 = any free one'),
  models: names([], 'further model names that behave like demo'),
  library: names(['llama3.2', 'qwen3:8b'], 'models that can be pulled'),
  pullRate: range(500, '<MB/s>', 0, 1e6, 'speed of a pull, 0 = as fast as possible'),
  rate: range(40, '<n>', 0, 1e6, 'tokens per second, 0 = as fast as possible'),
  firstTokenMs: range(0, '<ms>', 0, 3.6e6, 'delay before the first token and the headers'),
  loadMs: range(0, '<ms>', 0, 3.6e6, 'extra delay when a model is not loaded yet'),
  jitter: range(0, '<share>', 0, 1, 'random share of the gap between tokens, 0 to 1'),
  seed: whole(1, '<n>', 0, 2 ** 32 - 1, 'makes the jitter repeat'),
  splitBytes: whole(0, '<bytes>', 0, 2 ** 20, 'write in pieces of this size, 0 = whole lines'),
  truncateAfter: after('end without a last line after so many tokens'),
  resetAfter: after('destroy the connection after so many tokens'),
  errorAfter: after('fail after so many tokens; 0 = HTTP 500'),
  busy: flag('answer generate and chat with 503'),
  hang: flag('accept a generation and never answer'),
  parallel: whole(1, '<n>', 1, 1000, 'generations at once, the others wait'),
};

const NAMES = Object.keys(TABLE) as (keyof Switches)[];

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Puts the defaults in where an option is absent; throws `SwitchError` for a value out of its bounds. */
export function resolveSwitches(options: FakeOllamaOptions): Switches {
  const resolved = NAMES.map((name) => {
    const value = options[name] ?? TABLE[name].fallback;
    if (!TABLE[name].ok(value)) {
      throw new SwitchError(`--${kebab(name)} must be ${TABLE[name].must}.`);
    }
    return [name, value] as const;
  });
  return Object.fromEntries(resolved) as unknown as Switches;
}

/** Reads command line arguments; throws `SwitchError` for one that it does not know or take. */
export function readArguments(args: readonly string[]): Switches | 'help' {
  const options = Object.fromEntries(
    NAMES.map((name) => [kebab(name), { type: TABLE[name].value ? 'string' : 'boolean' } as const]),
  );
  // Not strict, because its own messages run over several sentences.
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
  });
  if (values['help']) return 'help';
  const read = Object.entries(values).map(([argument, value]) => {
    const name = NAMES.find((known) => kebab(known) === argument);
    if (!name) throw new SwitchError(`--${argument} is not a switch; --help lists them all.`);
    return [name, typeof value === 'string' ? TABLE[name].parse(value) : value] as const;
  });
  // After the unknown switches, because the value of one of them looks stray too.
  const [stray] = positionals;
  if (stray !== undefined) throw new SwitchError(`${JSON.stringify(stray)} is not a switch.`);
  return resolveSwitches(Object.fromEntries(read));
}

/** The text of `--help`: every switch with its unit and its default. */
export function helpText(): string {
  const rows = NAMES.map((name) => {
    const { fallback, value, help } = TABLE[name];
    const usual = fallback === Infinity ? 'never' : String(fallback) || 'none';
    return [
      `--${kebab(name)} ${value ?? ''}`,
      value ? `${help} (default ${usual})` : help,
    ] as const;
  });
  const lines = [...rows, ['--help', 'print this'] as const].map(
    ([name, help]) => `  ${name.padEnd(26)}${help}`,
  );
  return `A demo upstream for llm-cast: speaks Ollama's HTTP API, but is not a language model.
Model demo recites a short guide to llm-cast, model echo repeats the prompt.

Usage: npm run fake-ollama -- [switches]

${lines.join('\n')}`;
}
