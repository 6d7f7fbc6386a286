import { computed, onScopeDispose, shallowRef } from 'vue';
import type { Cast } from '../cast.js';
import type { CastStream } from '../stream.js';
import { IDLE, isRunning } from '../view.js';

/**
 * One answer after another, as refs. A new request cancels the one before; when the component goes
 * away, its answer is left, and the model goes on for whoever comes back.
 */
export function useCast(cast: Cast) {
  const stream = shallowRef<CastStream>();
  const view = shallowRef(IDLE);
  let unsubscribe = (): void => undefined;

  /** Shows this stream from now on: one of `cast.join`, for instance. */
  const follow = (next: CastStream): CastStream => {
    unsubscribe();
    void stream.value?.cancel();
    stream.value = next;
    const look = (): void => void (view.value = next.view);
    unsubscribe = next.subscribe(look);
    look();
    return next;
  };
  onScopeDispose(() => {
    unsubscribe();
    stream.value?.leave();
  });

  return {
    /** Everything there is to show. */
    view: computed(() => view.value),
    text: computed(() => view.value.text),
    thinking: computed(() => view.value.thinking),
    state: computed(() => view.value.state),
    position: computed(() => view.value.position),
    error: computed(() => view.value.error),
    result: computed(() => view.value.result),
    isRunning: computed(() => isRunning(view.value)),
    follow,
    chat: (...asked: Parameters<Cast['chat']>) => follow(cast.chat(...asked)),
    generate: (...asked: Parameters<Cast['generate']>) => follow(cast.generate(...asked)),
    cancel: () => void stream.value?.cancel(),
  };
}
