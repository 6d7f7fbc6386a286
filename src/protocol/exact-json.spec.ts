import * as fc from 'fast-check';
import { ExactNumber, parseExact, stringifyExact } from './exact-json.js';

const BIG = '12345678901234567890';

describe('parseExact and stringifyExact', () => {
  it.each([
    BIG,
    `-${BIG}`,
    '9007199254740993',
    '9007199254740993.5',
    '10000000000000000',
    '1e400',
    '-1E+999',
    '123456789012345678901234567890e-2',
    `{"a":[${BIG},{"b":-${BIG}}],"c":"${BIG}"}`,
    `{"quoted \\" ${BIG}":"\\\\","n":${BIG}}`,
  ])('keep every digit: %s', (json) => {
    expect(stringifyExact(parseExact(json))).toBe(json);
  });

  it('show it as a string to whoever writes plain JSON', () => {
    expect(JSON.stringify(parseExact(`{"id":${BIG},"n":7}`))).toBe(`{"id":"${BIG}","n":7}`);
    expect(parseExact(BIG)).toEqual(new ExactNumber(BIG));
  });

  it.each(['9007199254740991', '-9007199254740991', '0.1', '52.52000659999999843', '1e3', '-0'])(
    'leave what JavaScript can hold, or rounds in its fraction only: %s',
    (json) => {
      expect(parseExact(`[${json}]`)).toEqual([Number(json)]);
    },
  );

  it('read as JSON.parse does whatever has no such number', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const plain: unknown = JSON.parse(json);
        expect(JSON.parse(stringifyExact(parseExact(json)))).toEqual(plain);
      }),
    );
  });

  it('keep any integers in any place', () => {
    const tree = fc.letrec<{ value: string }>((tie) => ({
      value: fc.oneof(
        fc.bigInt().map((n) => n.toString()),
        fc.string().map((text) => JSON.stringify(text)),
        fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join()}]`),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }).map(
          (fields) =>
            `{${Object.entries(fields)
              .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
              .join()}}`,
        ),
      ),
    })).value;
    const bigInts = (json: string): string[] =>
      json.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').match(/-?\d+/g) ?? [];
    fc.assert(
      fc.property(tree, (json) => {
        expect(bigInts(stringifyExact(parseExact(json))).toSorted()).toEqual(
          bigInts(json).toSorted(),
        );
      }),
    );
  });

  it('throw what JSON.parse throws', () => {
    expect(() => parseExact(`{"a":${BIG}`)).toThrow(SyntaxError);
  });

  it('cannot be made to write what is no number', () => {
    const said = { text: '", "admin": true, "x": "', id: new ExactNumber(BIG) };
    expect(JSON.parse(stringifyExact(said))).toMatchObject({ text: said.text });
  });

  it('do not run out of stack on what is nested deeply', () => {
    const deep = `${'['.repeat(100_000)}${BIG}${']'.repeat(100_000)}`;
    expect(() => parseExact(deep)).not.toThrow();
  });

  it('are quick with a long text: nobody else is served meanwhile', () => {
    const image = '1e9A'.repeat(2_000_000);
    const begun = process.cpuUsage();
    parseExact(`{"images":["${image}"],"n":${BIG}}`);
    expect(process.cpuUsage(begun).user).toBeLessThan(1_000_000);
  });
});
