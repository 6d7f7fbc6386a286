// Asks through OpenAI's own library, and prints the answer as it comes. A lost connection loses
// nothing: the answer goes on behind the last event. Ctrl-C stops the model.
//   npm start -- "Why is the sky blue?"
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { APIConnectionError, APIError } from 'openai';

const { LLM_CAST_URL = 'http://localhost:3000', LLM_CAST_KEY = 'none' } = process.env;
const input = process.argv.slice(2).join(' ') || 'Why is the sky blue?';
const openai = new OpenAI({ baseURL: `${LLM_CAST_URL}/v1`, apiKey: LLM_CAST_KEY });

/** Between two tries to go on, in milliseconds. */
const PAUSE_MS = 200;

let id;

/** The events of one response, each once, however often the connection is lost. */
async function* events() {
  const { data } = await openai.models.list();
  let after;
  for (;;) {
    try {
      const stream =
        id === undefined
          ? await openai.responses.create({
              model: data[0]?.id,
              input,
              stream: true,
              background: true,
            })
          : await openai.responses.retrieve(id, { stream: true, starting_after: after });
      for await (const event of stream) {
        id ??= event.response.id;
        after = event.sequence_number;
        yield event;
        if (/\.(completed|incomplete)$/.test(event.type)) return;
      }
    } catch (error) {
      const isAnswer = error instanceof APIError && !(error instanceof APIConnectionError);
      if (isAnswer || id === undefined) throw error;
    }
    await sleep(PAUSE_MS);
  }
}

process.once('SIGINT', () => {
  if (id === undefined) process.exit(130);
  // Its stream ends when the model has stopped.
  openai.responses.cancel(id).catch(() => process.exit(130));
});

try {
  for await (const { type, delta, response } of events()) {
    if (type === 'response.output_text.delta') process.stdout.write(delta);
    if (type === 'response.completed') process.stdout.write('\n');
    if (type === 'response.incomplete') {
      console.error(`\n${response.incomplete_details.reason}`);
      process.exitCode = 1;
    }
  }
} catch (error) {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
