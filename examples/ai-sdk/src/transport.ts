import { WorkflowChatTransport } from '@ai-sdk/workflow/client';
import type { UIMessage } from 'ai';

declare const __LLM_CAST__: string;

const api = `${__LLM_CAST__}/ai/chat`;
/** Where the browser keeps the id of the answer that is being read. */
const RUN = 'llm-cast-run';
const PAUSE_MS = 1_000;

/** Whether an answer was being read when the page was left. */
export const wasReading = (): boolean => localStorage.getItem(RUN) !== null;

/** Stops the model. The client's own `stop()` only closes the connection. */
export async function stopModel(): Promise<void> {
  await fetch(`${api}/${localStorage.getItem(RUN)}/stop`, { method: 'POST' });
}

/** Waits for the network to come back, where an answer is to be resumed. */
const patientFetch: typeof fetch = async (input, init) => {
  for (;;) {
    try {
      return await fetch(input, init);
    } catch (error) {
      if (init?.method === 'POST' || init?.signal?.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
};

/** Goes on behind the last frame that it has, as often as the connection is cut. */
export const transport = new WorkflowChatTransport<UIMessage<{ state?: string }>>({
  api,
  fetch: patientFetch,
  // It counts every connection that is cut, whatever came over it.
  maxConsecutiveErrors: 1_000,
  onChatSendMessage: (response) =>
    localStorage.setItem(RUN, response.headers.get('x-workflow-run-id') ?? ''),
  onChatEnd: () => localStorage.removeItem(RUN),
  prepareReconnectToStreamRequest: () => ({ api: `${api}/${localStorage.getItem(RUN)}/stream` }),
});
