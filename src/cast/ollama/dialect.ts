import { catchError, map, of, zip } from 'rxjs';
import { z } from 'zod';
import type { ModelRequest } from '../model-request.js';
import type { Dialect } from '../http/dialect.js';
import type { ListedModel } from '../upstream.js';
import { OllamaDecoder } from './answer.js';
import { PullDecoder } from './pull-answer.js';

const versionAnswer = z.object({ version: z.string() });
const tagsAnswer = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      size: z.number().nullish(),
      details: z.object({ context_length: z.number().nullish() }).nullish(),
      capabilities: z.array(z.string()).nullish(),
    }),
  ),
});
const psAnswer = z.object({
  models: z.array(z.object({ name: z.string(), context_length: z.number().nullish() })),
});

/** What the operator puts on each request. */
export interface OperatorOptions {
  options: Record<string, unknown>;
  keepAlive: string | number | undefined;
}

/** Speaks Ollama's own API. */
export function ollama(operator: OperatorOptions, maxLineBytes: number): Dialect {
  return {
    accept: ['application/x-ndjson', 'application/json'],
    headers: {},
    refuses: () => undefined,
    call: (request) => ({
      path: `/api/${request.endpoint}`,
      body: ollamaBody(request, operator),
      decoder:
        request.endpoint === 'pull'
          ? new PullDecoder(maxLineBytes)
          : new OllamaDecoder(maxLineBytes),
    }),
    models: (ask) =>
      zip(
        ask('/api/tags', tagsAnswer),
        // A server that lists its models but not what is loaded is still worth listing.
        ask('/api/ps', psAnswer).pipe(catchError(() => of({ models: [] }))),
      ).pipe(map(([tags, ps]) => listed(tags, ps))),
    version: (ask) => ask('/api/version', versionAnswer).pipe(map(({ version }) => version)),
    canonical: canonicalName,
  };
}

/** The body of a request, with the operator's options under the caller's. */
export function ollamaBody(request: ModelRequest, operator: OperatorOptions): unknown {
  if (request.endpoint === 'pull') return { model: request.model, stream: true };
  const { endpoint: _endpoint, options, ...fields } = request;
  return {
    stream: true,
    ...fields,
    options: Object.assign({}, operator.options, options),
    ...(operator.keepAlive !== undefined && { keep_alive: operator.keepAlive }),
  };
}

/** Ollama compares names without case, and the tag is `latest` where none is written. */
function canonicalName(model: string): string {
  const name = model.toLowerCase();
  return name.slice(name.lastIndexOf('/') + 1).includes(':') ? name : `${name}:latest`;
}

function listed(tags: z.infer<typeof tagsAnswer>, ps: z.infer<typeof psAnswer>): ListedModel[] {
  return tags.models.map(({ name, size, details, capabilities }) => {
    const running = ps.models.find((loaded) => loaded.name === name);
    return {
      name,
      size: size ?? null,
      contextLength: running?.context_length ?? details?.context_length ?? null,
      capabilities: capabilities ?? [],
      loaded: running !== undefined,
    };
  });
}
