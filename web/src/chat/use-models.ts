import type { Cast, ModelList } from 'llm-cast-client';
import { CastError } from 'llm-cast-client';
import { ref, shallowRef } from 'vue';

export type Model = ModelList['models'][number];

/** The models that can be asked. Several upstreams may have the same one: it is listed once. */
export function useModels(cast: Cast) {
  const models = shallowRef<readonly Model[]>([]);
  /** Why there are none. */
  const problem = ref<string>();
  /** Whether the server has given its list the last time it was asked. */
  const isListed = ref(false);

  async function refresh(): Promise<void> {
    try {
      const byName = new Map<string, Model>();
      for (const model of await cast.models()) {
        const same = byName.get(model.name);
        if (same === undefined || model.loaded) byName.set(model.name, model);
      }
      models.value = [...byName.values()];
      isListed.value = true;
      problem.value = models.value.length > 0 ? undefined : 'No model is installed.';
    } catch (error) {
      isListed.value = false;
      problem.value = error instanceof CastError ? error.message : String(error);
    }
  }
  void refresh();

  /** A model by its name, with or without `:latest`. */
  function modelOf(name: string): Model | undefined {
    return models.value.find((one) => one.name === name || one.name === `${name}:latest`);
  }

  return { models, isListed, problem, modelOf, refresh };
}
