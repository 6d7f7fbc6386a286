import { smallerLimit } from './smaller-limit.js';

/** What servers of this kind want differently, some of them for some models only. */
export interface Wishes {
  /** The name of the limit of tokens. */
  limit: 'max_tokens' | 'max_completion_tokens';
  /** The largest limit that the model may be given, and that this one request may be given. */
  most: number;
  mostNow: number;
  /** `stream_options` may be sent. */
  streamOptions: boolean;
  /** "Any JSON" may have a schema. */
  jsonSchema: boolean;
  /** The result of a tool may have the tool's name. */
  toolNames: boolean;
  /** The thinking of turns with tool calls must be sent back. */
  reasoning: boolean;
}

/** What most of them take. */
export const USUAL: Wishes = {
  limit: 'max_tokens',
  most: Infinity,
  mostNow: Infinity,
  streamOptions: true,
  jsonSchema: true,
  toolNames: true,
  reasoning: false,
};

/** Most models whose wishes are remembered; callers choose their names. */
const MAX_MODELS = 256;

/**
 * What a refusal asks for, when it names what is in the way.
 * @param body the request that was refused
 * @param said what the server said
 * @returns undefined where it names nothing that could be sent differently
 */
export function adjusted(
  wishes: Wishes,
  body: Record<string, unknown>,
  said: string,
): Wishes | undefined {
  const sent = body['max_tokens'] ?? body['max_completion_tokens'];
  const smaller = typeof sent === 'number' ? smallerLimit(said, sent) : undefined;
  if (smaller !== undefined) {
    return { ...wishes, [smaller.isOfPrompt ? 'mostNow' : 'most']: smaller.most };
  }
  const wanted = { ...wishes };
  if (said.includes('max_completion_tokens') && 'max_tokens' in body) {
    wanted.limit = 'max_completion_tokens';
  } else if (said.includes('max_completion_tokens') && 'max_completion_tokens' in body) {
    wanted.limit = 'max_tokens';
  } else if (said.includes('max_tokens') && 'max_tokens' in body && isUnknown(said)) {
    wanted.limit = 'max_completion_tokens';
  }
  if (/stream_options|include_usage/.test(said) && 'stream_options' in body) {
    wanted.streamOptions = false;
  }
  const format = body['response_format'] as { type?: unknown; schema?: unknown } | undefined;
  if (/schema|response_format/.test(said) && format?.schema !== undefined) {
    wanted.jsonSchema = false;
  }
  const messages = (body['messages'] ?? []) as readonly object[];
  if (/reasoning_content/.test(said)) {
    const isSent = messages.some((message) => 'reasoning_content' in message);
    const canSend = messages.some((message) => 'tool_calls' in message);
    if (isSent || canSend) wanted.reasoning = !isSent;
  }
  const hasNames = messages.some((message) => 'name' in message);
  if (/\bname\b/.test(said) && isUnknown(said) && hasNames) wanted.toolNames = false;
  const isOther = (Object.keys(wanted) as (keyof Wishes)[]).some(
    (name) => wanted[name] !== wishes[name],
  );
  return isOther ? wanted : undefined;
}

/** Whether a refusal speaks of a field that the server does not have. */
function isUnknown(said: string): boolean {
  return /unsupported|unknown|unrecogni[sz]ed|unexpected|not (supported|permitted|allowed)|extra|additional/i.test(
    said,
  );
}

/** The wishes of an upstream's models, as far as refusals have taught them. */
export class KnownWishes {
  private readonly known = new Map<string, Wishes>();

  of(model: string): Wishes {
    return this.known.get(model) ?? USUAL;
  }

  remember(model: string, wishes: Wishes): void {
    this.known.delete(model);
    this.known.set(model, { ...wishes, mostNow: Infinity });
    if (this.known.size <= MAX_MODELS) return;
    const [oldest] = this.known.keys();
    if (oldest !== undefined) this.known.delete(oldest);
  }
}
