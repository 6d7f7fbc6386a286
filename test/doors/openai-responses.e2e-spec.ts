import OpenAI from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { ScriptedUpstream, type UpstreamCall } from '../support/scripted-upstream.js';
import { until } from '../support/until.js';

const WORDS = 'Rayleigh scattering: short waves are scattered more, 蓝 😀.'.split(/(?= )/);
const TEXT = WORDS.join('');

let upstream: ScriptedUpstream;
let app: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  app = await startApp({ OLLAMA_BASE_URL: upstream.url, MAX_CONCURRENT: 8 });
  client = new OpenAI({ baseURL: `${app.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
});

const ask = (more: object = {}) =>
  client.responses.create({ model: 'llama3.2', input: 'why?', stream: true, ...more });
const all = async (stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> => {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
};
const textOf = (events: readonly ResponseStreamEvent[]): string =>
  events.map((one) => (one.type === 'response.output_text.delta' ? one.delta : '')).join('');
const say = (call: UpstreamCall): void => {
  call.line({ message: { role: 'assistant', content: '', thinking: 'hm' }, done: false });
  for (const word of WORDS) call.text(word);
  call.done();
};
const idIn = (events: readonly ResponseStreamEvent[]): string =>
  (events[0] as { response: { id: string } }).response.id;

describe('responses through the OpenAI SDK', () => {
  it('stream reasoning and text, numbered from 0, and complete with usage', async () => {
    const asked = ask();
    say(await upstream.nextCall());
    const events = await all(await asked);
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_one, at) => at));
    expect(textOf(events)).toBe(TEXT);
    expect(events.at(-1)).toMatchObject({
      type: 'response.completed',
      response: {
        status: 'completed',
        output: [
          { type: 'reasoning', summary: [{ text: 'hm' }] },
          { type: 'message', status: 'completed', content: [{ type: 'output_text', text: TEXT }] },
        ],
        usage: { input_tokens: 11, output_tokens: 3, total_tokens: 14 },
      },
    });
  });

  it("are put together by the SDK's helper", async () => {
    const stream = client.responses.stream({ model: 'llama3.2', input: 'why?' });
    say(await upstream.nextCall());
    expect((await stream.finalResponse()).output_text).toBe(TEXT);
  });

  it('answer in one piece', async () => {
    const asked = client.responses.create({ model: 'llama3.2', input: 'why?', instructions: 'x' });
    const call = await upstream.nextCall();
    expect(call.body['messages']).toEqual([
      { role: 'system', content: 'x' },
      { role: 'user', content: 'why?' },
    ]);
    say(call);
    const response = await asked;
    expect(response).toMatchObject({ status: 'completed', instructions: 'x', output_text: TEXT });
    expect(await client.responses.retrieve(response.id)).toMatchObject({ output_text: TEXT });
  });

  it('take neighbouring items of reasoning together', async () => {
    const reasoning = (id: string, text: string) => ({
      type: 'reasoning' as const,
      id,
      summary: [{ type: 'summary_text' as const, text }],
    });
    const input = [
      { role: 'user' as const, content: 'why?' },
      reasoning('a', 'One.'),
      reasoning('b', 'Two.'),
      { role: 'assistant' as const, content: 'So.' },
      { role: 'user' as const, content: 'And?' },
    ];
    const asked = client.responses.create({ model: 'llama3.2', input });
    const call = await upstream.nextCall();
    say(call);
    await asked;
    expect(call.body).toMatchObject({
      messages: [{}, { role: 'assistant', content: 'So.', thinking: 'One.\nTwo.' }, {}],
    });
  });

  it('resume behind every event, and the rest is the same each time', async () => {
    const asked = ask({ background: true });
    say(await upstream.nextCall());
    const whole = await all(await asked);
    const id = idIn(whole);
    for (let after = 0; after < whole.length; after++) {
      const rest = await all(
        await client.responses.retrieve(id, { stream: true, starting_after: after }),
      );
      expect(rest).toEqual(whole.slice(after + 1));
    }
    const helper = client.responses.stream({ response_id: id, starting_after: 8 });
    expect(await all(helper)).toEqual(whole.slice(9));
  });

  // A thousand cuts in all: each reads from the start what it goes on behind, so one answer has some.
  it.each([1, 2, 3, 4])(
    'lose and repeat nothing over random cuts while answer %i runs',
    async () => {
      const CUTS = 250;
      const asked = ask({ background: true });
      const call = await upstream.nextCall();
      call.text('begin');
      const events: ResponseStreamEvent[] = [];
      for await (const event of await asked) {
        events.push(event);
        if (event.type === 'response.output_text.delta') break;
      }
      const id = idIn(events);
      let text = 'begin';
      for (let cut = 0; cut < CUTS; cut++) {
        const after = events.at(-1)!.sequence_number;
        const stream = await client.responses.retrieve(id, { stream: true, starting_after: after });
        // At least one piece; where in them the cut falls is chance.
        for (let piece = 0; piece < 1 + (cut % 4); piece++) {
          text += ` ${cut}.${piece}`;
          call.text(` ${cut}.${piece}`);
        }
        let left = 1 + Math.floor(Math.random() * (1 + (cut % 4)));
        for await (const event of stream) {
          events.push(event);
          if (--left === 0) break;
        }
      }
      call.done();
      const after = events.at(-1)!.sequence_number;
      events.push(
        ...(await all(
          await client.responses.retrieve(id, { stream: true, starting_after: after }),
        )),
      );
      expect(events.map((event) => event.sequence_number)).toEqual(events.map((_one, at) => at));
      expect(textOf(events)).toBe(text);
      expect(events.at(-1)?.type).toBe('response.completed');
    },
  );

  it('in the background begin as queued or in progress, and are read when they are over', async () => {
    const begun = await client.responses.create({
      model: 'llama3.2',
      input: 'why?',
      background: true,
    });
    expect(begun).toMatchObject({ status: 'queued', background: true, output: [] });
    const call = await upstream.nextCall();
    call.text('The sky');
    await until(async () => (await client.responses.retrieve(begun.id)).output_text !== '');
    expect(await client.responses.retrieve(begun.id)).toMatchObject({
      status: 'in_progress',
      output_text: 'The sky',
    });
    call.done();
    await until(async () => (await client.responses.retrieve(begun.id)).status === 'completed');
  });

  it('are cancelled with a verified stop, however often it is asked', async () => {
    const asked = ask({ background: true, metadata: { a: 'b' } });
    const call = await upstream.nextCall();
    call.text('The sky');
    const events: ResponseStreamEvent[] = [];
    const reading = (async () => {
      for await (const event of await asked) events.push(event);
    })();
    await until(() => textOf(events) === 'The sky');
    const cancelled = await client.responses.cancel(idIn(events));
    await call.closed;
    expect(cancelled).toMatchObject({ status: 'cancelled', metadata: { a: 'b' } });
    expect(await client.responses.cancel(idIn(events))).toEqual(cancelled);
    await reading;
    expect(events.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { status: 'cancelled', incomplete_details: { reason: 'cancelled' } },
    });
  });

  it('are cancelled where the connection is closed, unless they are in the background', async () => {
    const asked = ask();
    (await upstream.nextCall()).text('The sky');
    for await (const event of await asked) if (event.type === 'response.output_text.delta') break;
    await upstream.calls.at(-1)!.closed;
  });

  it('go on from the one before, as long as that is kept', async () => {
    const first = client.responses.create({ model: 'llama3.2', input: 'why?' });
    (await upstream.nextCall()).text('because').done();
    const { id } = await first;
    const second = client.responses.create({
      model: 'llama3.2',
      input: 'really?',
      previous_response_id: id,
    });
    const call = await upstream.nextCall();
    call.text('yes').done();
    expect(await second).toMatchObject({ previous_response_id: id, output_text: 'yes' });
    expect(call.body['messages']).toEqual([
      { role: 'user', content: 'why?' },
      { role: 'assistant', content: 'because' },
      { role: 'user', content: 'really?' },
    ]);
    const unknown = { model: 'llama3.2', input: 'x', previous_response_id: 'resp_unknown' };
    await expect(client.responses.create(unknown)).rejects.toMatchObject({
      status: 404,
      code: 'generation_not_found',
    });
  });

  it('go on with the result of a tool, under the id of its call that was told', async () => {
    const tools = [{ type: 'function' as const, name: 'weather', parameters: {}, strict: null }];
    const first = client.responses.create({ model: 'llama3.2', input: 'weather in Oslo?', tools });
    // As many servers write a call: without an id.
    const called = { function: { name: 'weather', arguments: { city: 'Oslo' } } };
    (await upstream.nextCall())
      .line({ message: { role: 'assistant', content: 'Wait.', tool_calls: [called] }, done: false })
      .done();
    const { id, output } = await first;
    const { call_id } = output.find((item) => item.type === 'function_call')!;
    const result = { type: 'function_call_output' as const, call_id, output: '3 °C' };
    const second = client.responses.create({
      model: 'llama3.2',
      input: [result],
      previous_response_id: id,
    });
    const call = await upstream.nextCall();
    call.text('cold').done();
    await second;
    expect(call.body['messages']).toMatchObject([
      { role: 'user', content: 'weather in Oslo?' },
      { role: 'assistant', content: 'Wait.', tool_calls: [{ id: call_id, ...called }] },
      { role: 'tool', content: '3 °C', tool_call_id: call_id, tool_name: 'weather' },
    ]);
  });

  it('give the model the images that a tool has answered', async () => {
    const png = 'iVBORw0KGgoAAAAAAAAA';
    const asked = client.responses.create({
      model: 'llama3.2',
      input: [
        { type: 'function_call', call_id: 'c', name: 'camera', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'c',
          output: [
            { type: 'input_text', text: 'the door' },
            { type: 'input_image', image_url: `data:image/png;base64,${png}` },
          ],
        },
      ],
    });
    const call = await upstream.nextCall();
    call.text('open').done();
    await asked;
    expect(call.body['messages']).toMatchObject([
      { role: 'assistant' },
      { role: 'tool', content: 'the door', images: [png], tool_name: 'camera' },
    ]);
  });

  it('take an item of an earlier one by its id, once, and only one that is kept', async () => {
    const tools = [{ type: 'function' as const, name: 'weather', parameters: {}, strict: null }];
    const first = client.responses.create({ model: 'llama3.2', input: 'weather in Oslo?', tools });
    const called = { id: 'call_1', function: { name: 'weather', arguments: { city: 'Oslo' } } };
    (await upstream.nextCall())
      .line({ message: { role: 'assistant', content: '', thinking: 'hm' }, done: false })
      .line({ message: { role: 'assistant', content: 'Wait.', tool_calls: [called] }, done: false })
      .done();
    const { output } = await first;
    const references = output.map(({ id = '' }) => ({ type: 'item_reference' as const, id }));
    expect(references).toHaveLength(3);
    const question = { role: 'user' as const, content: 'weather in Oslo?' };
    const result = { type: 'function_call_output' as const, call_id: 'call_1', output: '3 °C' };
    const second = client.responses.create({
      model: 'llama3.2',
      input: [question, ...references, result],
    });
    const call = await upstream.nextCall();
    call.text('cold').done();
    expect(await second).toMatchObject({ output_text: 'cold' });
    expect(call.body['messages']).toMatchObject([
      question,
      { role: 'assistant', content: 'Wait.', thinking: 'hm', tool_calls: [called] },
      { role: 'tool', content: '3 °C', tool_call_id: 'call_1', tool_name: 'weather' },
    ]);
    const refused = (input: OpenAI.Responses.ResponseInput, fields: object) =>
      expect(client.responses.create({ input })).rejects.toMatchObject(fields);
    const [item] = references;
    await refused([item!, item!], { status: 400, param: 'input.1.id' });
    for (const id of ['x', 'msg_x_0', `${item!.id}1`])
      await refused([{ type: 'item_reference', id }], {
        status: 404,
        code: 'generation_not_found',
      });
  });

  it('that are not to be stored cannot be read again', async () => {
    const asked = client.responses.create({ model: 'llama3.2', input: 'why?', store: false });
    (await upstream.nextCall()).text('because').done();
    const { id } = await asked;
    await expect(client.responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
    await expect(
      client.responses.create({ input: 'x', store: false, background: true }),
    ).rejects.toMatchObject({ status: 400, param: 'store' });
  });
});
