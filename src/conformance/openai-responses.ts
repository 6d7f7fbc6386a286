import type { Answer } from './answer.js';
import { objectIn, type Resume } from './protocol.js';
import { eventsIn } from './sse.js';

interface Event {
  type?: string;
  sequence_number?: number;
  delta?: string;
  response?: { id?: string };
}

const eventsOf = (answer: Answer): Event[] =>
  eventsIn(answer.body).map(({ data }) => (objectIn(data) ?? {}) as Event);

/** Background responses of OpenAI's API, which can be read again behind any event. */
export const responses: Resume = {
  start: ({ model, prompt }) => ({
    url: '/responses',
    body: { model, input: prompt, stream: true, background: true },
  }),
  rest: (first, pieces) => {
    const { response } = eventsOf(first).find((event) => event.response?.id !== undefined) ?? {};
    const after = (pieces as Event[]).at(-1)?.sequence_number;
    const query = `stream=true${after === undefined ? '' : `&starting_after=${after}`}`;
    return { method: 'GET', url: `/responses/${encodeURIComponent(response?.id ?? '')}?${query}` };
  },
  pieces: eventsOf,
  text: (pieces) =>
    (pieces as Event[])
      .filter(({ type }) => type === 'response.output_text.delta')
      .map(({ delta }) => delta ?? '')
      .join(''),
};
