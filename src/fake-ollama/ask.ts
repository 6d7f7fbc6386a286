import type { Fields } from './body.js';
import { keepAliveMs } from './keep-alive.js';
import type { Model, Models } from './models.js';
import { Refusal } from './refusal.js';
import { tokenise } from './tokens.js';

/** The two ways to ask a model. */
export type Api = 'generate' | 'chat';

/** A request to `/api/generate` or `/api/chat`, checked. */
export interface Ask {
  api: Api;
  model: Model;
  /** The model's name as it was asked for; answers repeat it. */
  name: string;
  /** The prompt, or the contents of the user messages, oldest first. */
  asked: readonly string[];
  /** Tokens of all that the model has to read. */
  promptTokens: number;
  /** An empty prompt or no messages: only load the model, or unload it. */
  only: 'load' | 'unload' | undefined;
  stream: boolean;
  /** Raw prompts get no `context` with their last line. */
  raw: boolean;
  keepAliveMs: number;
  /** The most tokens to answer with; Infinity = no limit. */
  numPredict: number;
}

/** Reads and checks a request; throws a `Refusal` in Ollama's words. */
export function readAsk(api: Api, body: Fields, models: Models): Ask {
  const name = body.string('model');
  if (api === 'chat' && name === '') throw new Refusal(400, 'model is required');
  const texts = api === 'chat' ? readMessages(body) : readPrompt(body);
  const stream = body.boolean('stream', true);
  const raw = body.boolean('raw', false);
  const keep = keepAliveMs(body.raw('keep_alive'));
  const model = models.find(name);
  if (!model) throw new Refusal(404, `model '${name}' not found`);

  const only = texts.empty ? (keep === 0 ? 'unload' : 'load') : undefined;
  if (only !== 'unload') checkCapabilities(name, model, body);
  const { asked } = texts;
  const promptTokens = tokenise(texts.all).length;
  const numPredict = readNumPredict(body);
  return {
    api,
    model,
    name,
    asked,
    promptTokens,
    only,
    stream,
    raw,
    keepAliveMs: keep,
    numPredict,
  };
}

interface Texts {
  asked: readonly string[];
  all: string;
  empty: boolean;
}

function readPrompt(body: Fields): Texts {
  const prompt = body.string('prompt');
  return { asked: [prompt], all: body.string('system') + prompt, empty: prompt === '' };
}

function readMessages(body: Fields): Texts {
  const messages = body.objects('messages', 'api.Message').map((message) => ({
    role: message.string('role').toLowerCase(),
    content: message.string('content'),
  }));
  const asked = messages.filter(({ role }) => role === 'user').map(({ content }) => content);
  const all = messages.map(({ content }) => content).join('');
  return { asked, all, empty: messages.length === 0 };
}

function checkCapabilities(name: string, model: Model, body: Fields): void {
  if (body.raw('think')) {
    throw new Refusal(400, `${JSON.stringify(name)} does not support thinking`);
  }
  const lacking =
    body.objects('tools', 'api.Tool').length > 0 ? 'tools' : body.string('suffix') && 'insert';
  if (lacking) {
    throw new Refusal(400, `registry.ollama.ai/library/${model.name} does not support ${lacking}`);
  }
}

function readNumPredict(body: Fields): number {
  const limit = body.object('options', 'map[string]interface {}').raw('num_predict') ?? -1;
  if (typeof limit !== 'number') {
    throw new Refusal(500, 'option "num_predict" must be of type integer');
  }
  // As in Ollama: a fraction is cut off, and 0 or less is no limit.
  return Math.trunc(limit) > 0 ? Math.trunc(limit) : Infinity;
}
