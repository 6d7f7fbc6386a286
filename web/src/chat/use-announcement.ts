import type { View } from 'llm-cast-client';
import { ref, type Ref, watch } from 'vue';
import type { Answer } from 'llm-cast-client/conversation';

/** For a screen reader: that an answer begins and how it ends, not each of its words. */
export function useAnnouncement(
  answer: Readonly<Ref<Answer | undefined>>,
  view: Readonly<Ref<View | undefined>>,
) {
  const announcement = ref('');

  watch(
    () => ({ id: answer.value?.id, state: answer.value?.state, step: view.value?.state }),
    (now, before) => {
      if (now.state === 'running') announcement.value = begun(now.step) ?? announcement.value;
      // What was over when it came into view is no news.
      else if (before.state === 'running' && now.id === before.id) {
        announcement.value = ended(answer.value);
      }
    },
  );
  return announcement;
}

function begun(step: View['state'] | undefined): string | undefined {
  if (step === 'queued') return 'Your question waits for its turn.';
  return step === 'streaming' ? 'The answer begins.' : undefined;
}

function ended(answer: Answer | undefined): string {
  if (answer?.state === 'completed') return 'The answer is complete.';
  if (answer?.state === 'cancelled') return 'The answer was stopped.';
  return `The answer failed: ${answer?.failure?.message ?? ''}`;
}
