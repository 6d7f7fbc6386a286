import { untagged } from './model-name';
import type { Model } from './use-models';

/** An upstream as `GET /health/ready` tells of it. */
export interface UpstreamHealth {
  name: string;
  reachable: boolean;
}

/** Whether a model can answer, as far as the page can tell. */
export type Readiness =
  /** It cannot be told: a list is not known, or does not say it. */
  | { state: 'unknown' }
  /** These upstreams have the model. */
  | { state: 'ready'; upstreams: string[] }
  /** None of the upstreams answers. */
  | { state: 'down'; upstreams: string[] }
  /** Upstreams answer, and none of them has the model. Ollama can pull one. */
  | { state: 'missing'; upstreams: string[]; hasOllama: boolean };

/** @param models undefined = the server has not given its list */
export function readinessOf(
  model: string,
  models: readonly Model[] | undefined,
  upstreams: readonly UpstreamHealth[],
): Readiness {
  const names = upstreams.map(({ name }) => name);
  const reachable = upstreams.filter((one) => one.reachable).map(({ name }) => name);
  if (upstreams.length === 0) return { state: 'unknown' };
  if (reachable.length === 0) return { state: 'down', upstreams: names };
  if (models === undefined) return { state: 'unknown' };
  const having = models.filter((one) => untagged(one.name) === untagged(model));
  if (having.length > 0) {
    return { state: 'ready', upstreams: [...new Set(having.map(({ upstream }) => upstream))] };
  }
  const isOllama = (name: string): boolean => name.startsWith('ollama');
  // Ollama lists all it has; another server may list nothing, or a pattern.
  const listsAll = (name: string): boolean =>
    isOllama(name) ||
    (models.some(({ upstream }) => upstream === name) &&
      !models.some((one) => one.upstream === name && one.name.includes('*')));
  if (!reachable.every(listsAll)) return { state: 'unknown' };
  return { state: 'missing', upstreams: reachable, hasOllama: reachable.some(isOllama) };
}
