import type { Asked, Examination } from './examination.js';
import { expectError, expectRefusal, notStreamed, type Point } from './point.js';
import type { UpstreamAnswer } from './upstream-answer.js';

const SAID = 'The sky ';
const FAILURE = 'the model has crashed';

/** An answer whose upstream does not come to its end. */
const broken =
  (isStreamed: boolean, fail: (upstream: UpstreamAnswer) => void): Point['check'] =>
  async (examination) => {
    const asked = examination.ask({ isStreamed }, async (upstream) => {
      await upstream.text(SAID);
      if (isStreamed) await asked.shows(SAID);
      fail(upstream);
    });
    await asked.upstream();
    expectError(await asked.over(), asked.answer);
  };

/** A client that has enough: it closes its connection, and sends what the protocol has beside. */
async function stop(examination: Examination, asked: Asked): Promise<void> {
  const upstream = await asked.upstream();
  const { protocol } = examination.examined;
  const send = protocol.stop?.(asked.wish);
  if (send !== undefined) examination.send(send);
  asked.answer.close();
  await examination.closed(upstream, 'Stop');
}

/** The ways in which an answer comes to no end. */
export const endPoints: readonly Point[] = [
  {
    id: 'cut',
    title: 'an upstream whose connection is cut makes the client throw',
    failsUpstream: true,
    check: broken(true, (upstream) => upstream.cut()),
  },
  {
    id: 'silent-end',
    title: 'an upstream that ends without its end mark makes the client throw',
    failsUpstream: true,
    check: broken(true, (upstream) => upstream.endEarly()),
  },
  {
    id: 'error',
    title: 'an error in the stream of the upstream makes the client throw',
    failsUpstream: true,
    check: broken(true, (upstream) => upstream.fail(FAILURE)),
  },
  {
    id: 'cut-not-streamed',
    title: 'so does a cut where the answer is not streamed',
    skips: notStreamed,
    failsUpstream: true,
    check: broken(false, (upstream) => upstream.cut()),
  },
  {
    id: 'upstream-refuses',
    title: 'an error of the upstream before the answer is one for the client',
    failsUpstream: true,
    async check(examination) {
      const { protocol } = examination.examined;
      const asked = examination.ask({}, (upstream) => upstream.refuse(500, FAILURE));
      await asked.upstream();
      const { error } = await asked.over();
      if (error === undefined) expectRefusal(asked.answer, protocol);
    },
  },
  {
    id: 'bad-request',
    title: 'a request without its messages is refused in the form of the protocol',
    async check(examination) {
      const { protocol, model } = examination.examined;
      const { url } = protocol.ask({ model, prompt: '', isStreamed: true, withTools: false });
      const answer = await examination.fetch({ url, body: { model, messages: 7 } });
      expectRefusal(answer, protocol);
    },
  },
  {
    id: 'stop',
    title: 'Stop in the midst of an answer stops the model',
    async check(examination) {
      const asked = examination.ask({}, (upstream) => upstream.text(SAID));
      await asked.shows(SAID);
      await stop(examination, asked);
    },
  },
  {
    id: 'stop-before-first',
    title: 'Stop before the first text stops the model',
    async check(examination) {
      await stop(
        examination,
        examination.ask({}, () => undefined),
      );
    },
  },
];
