import type { Answer, Sent } from './answer.js';
import type { Call } from './wire.js';

export const PROTOCOLS = ['openai', 'ollama', 'ai-sdk'] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

export type Json = Record<string, unknown>;

/** What is asked of the server under test. */
export interface Wish {
  prompt: string;
  model: string;
  isStreamed: boolean;
  withTools: boolean;
}

/** What a client library would make of an answer so far. */
export interface Seen {
  text: string;
  calls: { name: string; arguments: unknown }[];
  finish: 'stop' | 'length' | 'tool_calls' | 'other' | undefined;
  usage: { input: number; output: number } | undefined;
  /** The error's text, in the form that makes the client libraries throw. */
  error: string | undefined;
  /** Whether the protocol's own end was said. */
  isWhole: boolean;
  /** What breaks the protocol's rules. */
  faults: string[];
}

/** How a stream goes on behind any of its pieces, where the server under test has that. */
export interface Resume {
  /** Starts an answer that outlives its connection. */
  start(wish: Wish): Omit<Sent, 'headers'>;
  /** The numbered pieces that have come. */
  pieces(answer: Answer): unknown[];
  /** Asks for what is behind these pieces. */
  rest(first: Answer, pieces: readonly unknown[]): Omit<Sent, 'headers'>;
  /** The text in them. */
  text(pieces: readonly unknown[]): string;
}

/** What a kind of client asks, and how it reads the answers. */
export interface Protocol {
  readonly name: ProtocolName;
  /** Where the clients' address has no path. */
  readonly usualPath: string;
  /** Below the address; undefined where the protocol has no list. */
  readonly listPath: string | undefined;
  readonly canBeWhole: boolean;
  readonly hasUsage: boolean;
  /** Whether it has something to say while a model is silent. */
  readonly hasKeepAlive: boolean;
  ask(wish: Wish): Omit<Sent, 'headers'>;
  /** Reads what has come so far, by the rules of the client libraries. */
  read(answer: Answer): Seen;
  /** Names of the models in a list. */
  models(list: Json): unknown[];
  /** The text of an error that was answered in place of an answer; undefined where it is not in the protocol's form. */
  refusal(answer: Answer): string | undefined;
  /** What Stop sends beside closing the connection. */
  stop?(wish: Wish): Omit<Sent, 'headers'>;
  readonly resume?: Resume;
}

/** The tool that a request offers. */
export const TOOL = {
  name: 'weather',
  description: 'The weather in a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
} as const;
export const CALL: Call = { name: 'weather', arguments: { city: 'Tromsø' } };

export function nothingSeen(): Seen {
  return {
    text: '',
    calls: [],
    finish: undefined,
    usage: undefined,
    error: undefined,
    isWhole: false,
    faults: [],
  };
}

/** A JSON object; undefined for anything else. */
export function objectIn(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** The JSON objects of a list; none for anything else. */
export function objectsIn(list: unknown): Json[] {
  const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;
  return Array.isArray(list) ? (list.filter(isObject) as Json[]) : [];
}

/** Arguments of a call as the protocol gives them in a text; the text itself where it is no JSON. */
export function argumentsIn(text: string): unknown {
  return objectIn(text) ?? text;
}

export function isType(answer: Answer, type: string): boolean {
  return (answer.headers.get('content-type') ?? '').startsWith(type);
}
