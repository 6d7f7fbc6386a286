import type { Asked } from '../../generations/asked.js';
import { CastError } from '../../protocol/errors.js';
import { notServed } from '../refused.js';
import type { ChatBody, GenerateBody } from './request.js';

type Body = ChatBody | GenerateBody;

/** Fields of the operator: clients send them always. */
const OPERATORS = ['keep_alive', 'truncate', 'shift'] as const;
/** Most names in one `Warning`, and the form of one: it may be the caller's own text. */
const MAX_NAMES = 20;
const NAME = /^[\w.-]{1,64}$/;

/** What a request of an Ollama client asks for, in our words. */
export interface Translated {
  asked: Asked;
  /** Fields that were ignored. */
  ignored: string[];
}

/** @throws CastError `invalid_request`, `forbidden` */
export function askedByChat(body: ChatBody): Translated {
  const { messages = [], tools } = body;
  const inParts = messages.findIndex(({ parts }) => parts !== undefined);
  if (inParts !== -1) {
    throw notServed(
      `messages.${inParts}.parts`,
      'messages of the AI SDK (useChat) go to /ai/chat: set the api of the transport to it',
    );
  }
  refuseWhatChangesTheAnswer(body);
  refuseUnload(body, messages.length === 0);
  const asked = {
    endpoint: 'chat' as const,
    messages: messages.map(({ parts: _parts, ...message }) => message),
    tools,
    ...commonOf(body),
  };
  return { asked, ignored: ignoredOf(body) };
}

/** @throws CastError `invalid_request`, `forbidden` */
export function askedByGenerate(body: GenerateBody): Translated {
  const { prompt = '', system, suffix, images, raw, template, context } = body;
  refuseWhatChangesTheAnswer(body);
  if (raw === true) throw notServed('raw', 'prompts without a template are not served');
  if (isSet(template)) throw notServed('template', 'the template is that of the model');
  if (isSet(context)) {
    throw notServed('context', 'a conversation goes on with /api/chat and its messages');
  }
  refuseUnload(body, prompt === '');
  const asked = {
    endpoint: 'generate' as const,
    prompt,
    system,
    ...(isSet(suffix) && { suffix }),
    images,
    ...commonOf(body),
  };
  return { asked, ignored: ignoredOf(body) };
}

/** `Warning` (RFC 7234, section 5.5) for what was ignored; undefined for nothing. */
export function warningOf(ignored: readonly string[]): string | undefined {
  const names = ignored.filter((name) => NAME.test(name)).slice(0, MAX_NAMES);
  if (ignored.length === 0) return undefined;
  return `299 llm-cast "ignored, as the operator sets it here: ${names.join(', ')}"`;
}

function commonOf({ model, format, think, options }: Body) {
  return { model, format, think, options: options?.known };
}

function refuseWhatChangesTheAnswer({ logprobs, top_logprobs: most }: Body): void {
  if (logprobs === true || (typeof most === 'number' && most > 0)) {
    throw notServed('logprobs', 'the probabilities of tokens are not served');
  }
}

/** An empty request loads the model; with no time to stay it would unload it for everybody. */
function refuseUnload({ keep_alive: stay }: Body, isEmpty: boolean): void {
  if (!isEmpty || !(stay === 0 || /^0+[a-z]*$/.test(String(stay)))) return;
  throw new CastError('forbidden', {
    message: 'How long a model stays in memory is set by the operator (OLLAMA_KEEP_ALIVE).',
  });
}

function ignoredOf(body: Body): string[] {
  const fields = OPERATORS.filter((name) => body[name] != null);
  return [...fields, ...(body.options?.ignored ?? []).map((name) => `options.${name}`)];
}

/** Whether a field says something: clients send empty ones too. */
function isSet(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value != null && value !== '';
}
