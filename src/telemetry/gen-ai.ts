import type { Life } from '../generations/lifecycle.js';

/**
 * The names of OpenTelemetry's semantic conventions for generative AI. They are still "Development", so
 * they stand in this file and nowhere else: for attributes of spans and for labels of metrics.
 */
export const GEN_AI = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
  responseId: 'gen_ai.response.id',
  finishReasons: 'gen_ai.response.finish_reasons',
  timeToFirstChunk: 'gen_ai.response.time_to_first_chunk',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  tokenType: 'gen_ai.token.type',
  errorType: 'error.type',
} as const;

/** The metrics of the same conventions: as a client of model servers, and as a server. */
export const GEN_AI_METRICS = {
  clientDuration: 'gen_ai.client.operation.duration',
  clientFirstChunk: 'gen_ai.client.operation.time_to_first_chunk',
  clientPerChunk: 'gen_ai.client.operation.time_per_output_chunk',
  clientTokens: 'gen_ai.client.token.usage',
  serverDuration: 'gen_ai.server.request.duration',
  serverFirstToken: 'gen_ai.server.time_to_first_token',
  serverPerToken: 'gen_ai.server.time_per_output_token',
} as const;

/** As Prometheus writes a name of OpenTelemetry. */
export function underscored(name: string): string {
  return name.replaceAll('.', '_');
}

/** `gen_ai.operation.name` of a request. */
export function operationOf({ endpoint }: Life['request']): string {
  return endpoint === 'generate' ? 'text_completion' : endpoint;
}

/** `gen_ai.provider.name` of an upstream: `ollama-2` is one more Ollama. */
export function providerOf(upstream: string): string {
  return upstream.replace(/-\d+$/, '');
}
