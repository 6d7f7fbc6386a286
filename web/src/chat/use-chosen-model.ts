import type { Cast } from 'llm-cast-client';
import { computed, type Ref, watch } from 'vue';
import type { Conversation } from 'llm-cast-client/conversation';
import type { PageInfo } from '../page-info';
import { type Readiness, readinessOf } from './readiness';
import { useModels } from './use-models';
import { useUpstreams } from './use-upstreams';

/** The model that the next question goes to, those that it may go to instead, and what it can do. */
export function useChosenModel(
  cast: Cast,
  info: PageInfo,
  conversation: Ref<Conversation>,
  isBusy: Ref<boolean>,
) {
  const { models, isListed, problem, modelOf, refresh: refreshModels } = useModels(cast);
  const { upstreams, refresh: refreshUpstreams } = useUpstreams();
  const name = computed(() => conversation.value.model ?? info.model);
  const model = computed(() => modelOf(name.value));

  /** What is not known of a model is not denied. */
  const can = (capability: string): boolean =>
    model.value === undefined ||
    model.value.capabilities.length === 0 ||
    model.value.capabilities.includes(capability);

  // How much context a model has is known once it is loaded.
  watch(isBusy, (now) => {
    if (!now && model.value?.contextLength === null) void refreshModels();
  });

  return {
    name,
    contextLength: computed(() => model.value?.contextLength ?? null),
    can,
    models,
    problem,
    readiness: computed((): Readiness => {
      // Nothing can be told of a model that the server does not list to anybody.
      const isHidden = info.isModelHidden && name.value === info.model;
      if (isHidden) return { state: 'unknown' };
      return readinessOf(name.value, isListed.value ? models.value : undefined, upstreams.value);
    }),
    refresh: () => Promise.all([refreshModels(), refreshUpstreams()]),
  };
}
