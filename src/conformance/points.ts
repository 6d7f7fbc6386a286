import type { Examination } from './examination.js';
import { endPoints } from './end-points.js';
import { Absent, expect, expectWhole, notStreamed, type Point } from './point.js';
import { CALL, objectIn } from './protocol.js';
import { TOKENS } from './wire.js';

const HELLO = 'The sky is blue.';
/** Characters of two, three and four bytes, joined ones, line ends, and what protocols use as marks. */
const CHARACTERS =
  'Tromsø – “ок” 你好 👩‍🚀\u2028\r\n\n data: [DONE]\n\t{"done":true} </think> \\u0041 é';
/** Rather less than the patience of a reader who sees nothing, in milliseconds. */
const AT_ONCE_MS = 3_000;

/** What every answer needs that comes to its end. */
const wholePoints: readonly Point[] = [
  {
    id: 'models',
    title: 'the list has the model of the upstream',
    skips: ({ listPath }) => (listPath === undefined ? 'this protocol has no list' : undefined),
    async check(examination) {
      const { protocol, model } = examination.examined;
      const answer = await examination.fetch({ method: 'GET', url: protocol.listPath ?? '' });
      expect(answer.status === 200, `no HTTP status 200${answer.excerpt()}`);
      const names = protocol.models(objectIn(answer.body) ?? {});
      expect(names.includes(model), `only ${JSON.stringify(names)}`);
    },
  },
  {
    id: 'framing',
    title: 'a stream has the form of the protocol, from its headers to its end mark',
    async check(examination) {
      const asked = examination.ask({}, async (upstream) => {
        await upstream.text('The sky ');
        await upstream.text('is blue.');
        upstream.done();
      });
      const seen = await asked.over();
      expectWhole(seen, asked.answer, HELLO);
      const [fault] = seen.faults;
      expect(fault === undefined, String(fault));
      expect(seen.finish === 'stop', `the reason ${seen.finish}`);
    },
  },
  {
    id: 'text',
    title: 'every character comes through, also one that comes in two pieces',
    async check(examination) {
      const asked = examination.ask({}, async (upstream) => {
        for (const piece of CHARACTERS.match(/.{1,7}/gsu) ?? []) await upstream.text(piece);
        upstream.done();
      });
      expectWhole(await asked.over(), asked.answer, CHARACTERS);
    },
  },
  {
    id: 'immediacy',
    title: 'each piece of text comes when the model has said it',
    async check(examination) {
      const asked = examination.ask({}, async (upstream, { answer }) => {
        let said = '';
        for (const piece of ['The ', 'sky ', 'is ', 'blue.']) {
          await upstream.text(piece);
          said += piece;
          const what = `text ${JSON.stringify(said)}`;
          await answer.until(() => asked.seen.text === said, what, AT_ONCE_MS);
        }
        upstream.done();
      });
      expectWhole(await asked.over(), asked.answer, HELLO);
    },
  },
  {
    id: 'length',
    title: 'an answer that reached its length says so',
    async check(examination) {
      const asked = examination.ask({}, async (upstream) => {
        await upstream.text(HELLO);
        upstream.done('length');
      });
      const { finish } = await asked.over();
      expect(finish === 'length', `the reason ${finish}`);
    },
  },
  {
    id: 'usage',
    title: 'a stream tells the tokens that the upstream counted',
    skips: ({ hasUsage }) => (hasUsage ? undefined : 'this protocol has no field for it'),
    async check(examination) {
      const asked = examination.ask({}, async (upstream) => {
        await upstream.text(HELLO);
        upstream.done();
      });
      const { usage } = await asked.over();
      const isSame = usage?.input === TOKENS.input && usage.output === TOKENS.output;
      expect(isSame, `${JSON.stringify(usage)}, not ${JSON.stringify(TOKENS)}`);
    },
  },
  {
    id: 'tool-calls',
    title: 'the pieces of a tool call make a whole one',
    async check(examination) {
      const asked = examination.ask({ withTools: true }, async (upstream) => {
        await upstream.toolCalls([CALL]);
        upstream.done('tool_calls');
      });
      const seen = await asked.over();
      expectWhole(seen, asked.answer, '');
      const [fault] = seen.faults;
      expect(fault === undefined, String(fault));
      const said = JSON.stringify(seen.calls);
      expect(said === JSON.stringify([CALL]), `${said}, not ${JSON.stringify([CALL])}`);
    },
  },
  {
    id: 'not-streamed',
    title: 'an answer that is not streamed is the same',
    skips: notStreamed,
    async check(examination) {
      const asked = examination.ask({ isStreamed: false }, async (upstream) => {
        await upstream.text(CHARACTERS);
        upstream.done();
      });
      const seen = await asked.over();
      expectWhole(seen, asked.answer, CHARACTERS);
      const [fault] = seen.faults;
      expect(fault === undefined, String(fault));
    },
  },
  {
    id: 'keep-alive',
    title: 'while the model is silent the connection stays, and clients get what they skip',
    async check(examination) {
      const { silenceMs, protocol } = examination.examined;
      const asked = examination.ask({}, async (upstream, { answer }) => {
        await upstream.text('The sky ');
        await asked.shows('The sky ');
        const before = answer.body.length;
        await examination.pause(silenceMs);
        const isHeard = answer.body.length > before || !protocol.hasKeepAlive;
        expect(isHeard, `nothing for ${silenceMs / 1000} s: proxies cut what is silent`);
        await upstream.text('is blue.');
        upstream.done();
      });
      await asked.shows('The sky ');
      await examination.pause(silenceMs);
      expectWhole(await asked.over(), asked.answer, HELLO);
    },
  },
  {
    id: 'resume',
    title: 'a stream that was cut goes on behind the last piece, without a gap or a repetition',
    skips: ({ resume }) => (resume === undefined ? 'this protocol has none' : undefined),
    check: resumes,
  },
];

/** Cuts at every place of an answer whose reader comes back. */
async function resumes(examination: Examination): Promise<void> {
  const { resume } = examination.examined.protocol;
  if (resume === undefined) return;
  let goOn: () => void = () => undefined;
  const isRead = new Promise<void>((resolve) => (goOn = resolve));
  const asked = examination.ask(
    {},
    async (upstream) => {
      await upstream.text('The sky ');
      await isRead;
      await upstream.text('is blue.');
      upstream.done();
    },
    (wish) => resume.start(wish),
  );
  const { answer: first } = asked;
  await first.until(
    () => resume.text(resume.pieces(first)) !== '' || (first.status ?? 0) >= 400,
    'text',
  );
  if (first.status === 404 || first.status === 405) throw new Absent(`HTTP ${first.status}`);
  expect(first.status === 200, `no HTTP status 200${first.excerpt()}`);
  const seen = resume.pieces(first);
  first.close();
  const rest = examination.send(resume.rest(first, seen));
  await rest.until(() => rest.status !== undefined, 'answer to the one who comes back');
  // Other servers of the AI SDK's protocol have no resume.
  if (rest.status === 404 || rest.status === 405) throw new Absent(`HTTP ${rest.status}`);
  goOn();
  await rest.until(() => rest.ending !== 'open', 'end');
  const all = [...seen, ...resume.pieces(rest)];
  const text = resume.text(all);
  expect(text === HELLO, `the text ${JSON.stringify(text)}, not ${JSON.stringify(HELLO)}`);
  for (let cut = 0; cut < all.length; cut++) {
    const again = await examination.fetch(resume.rest(first, all.slice(0, cut)));
    const pieces = JSON.stringify(resume.pieces(again));
    const expected = JSON.stringify(all.slice(cut));
    expect(pieces === expected, `other pieces behind ${cut} of ${all.length}`);
  }
}

/** Every point, in the order in which they are examined. */
export const POINTS: readonly Point[] = [...wholePoints, ...endPoints];
