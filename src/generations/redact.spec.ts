import * as fc from 'fast-check';
import { redact, redactCause, shown } from './redact.js';

const PROMPT = 'Dear diary, the zebra of Antwerp ate forty plums again.';
/** A run of this length counts as a quotation. */
const RUN = 12;

const runs = (said: string): string[] =>
  Array.from({ length: said.length - RUN + 1 }, (_, at) => said.slice(at, at + RUN));
/** What of the request can still be read; white space counts alike, and none at its ends. */
const quoted = (text: string, said: string): string[] => {
  const flat = (value: string): string => value.replaceAll(/\s+/g, ' ');
  return runs(flat(said).trim()).filter((run) => flat(text).includes(run));
};

describe('redact: what the caller wrote', () => {
  it.each([
    ['alone', PROMPT],
    ['at the beginning', `${PROMPT} is not valid`],
    ['in the middle', `cannot parse "${PROMPT}" as JSON`],
    ['at the end', `invalid prompt: ${PROMPT}`],
    ['twice', `${PROMPT} / ${PROMPT}`],
    ['cut at both ends', `…${PROMPT.slice(5, -9)}…`],
    ['broken into lines', `invalid: ${PROMPT.replaceAll(' ', '\n')}`],
  ])('does not stand in the log, quoted %s', (_where, text) => {
    expect(quoted(redact(text, [PROMPT]), PROMPT)).toEqual([]);
  });

  it('does not stand there in another notation', () => {
    const verse = 'my love\nis "red"\nlike a\nrose\tof\nMay';
    const escaped = JSON.stringify(verse).slice(1, -1);
    expect(redact(`bad input: "${escaped}"`, [verse])).not.toMatch(/love|rose/);
  });

  it('is looked for in each text of the request', () => {
    const other = 'You are a pirate who knows everything.';
    const safe = redact(`${other}\n${PROMPT}\n${other}`, ['', PROMPT, other]);
    expect([...quoted(safe, PROMPT), ...quoted(safe, other)]).toEqual([]);
  });

  it('is removed also where it is short', () => {
    expect(redact('invalid word: hunter2!', ['hunter2'])).toBe('invalid word: …!');
  });

  it('is removed with the blank at its end, where it hardly is longer than a run', () => {
    const said = '!! ! ! ! ! ! ';
    expect(quoted(redact(`${said.slice(1)}"${said.slice(0, RUN)}`, [said]), said)).toEqual([]);
  });

  it('is never readable, whatever it is and wherever it is quoted', () => {
    const text = fc.string({ maxLength: 60 });
    fc.assert(
      fc.property(
        fc.string({ minLength: RUN, maxLength: 120 }),
        fc.array(fc.tuple(text, fc.nat(), fc.nat()), { minLength: 1, maxLength: 4 }),
        text,
        (said, pieces, after) => {
          const piece = (from: number, count: number): string => {
            const start = from % (said.length - RUN + 1);
            return said.slice(start, start + RUN + (count % said.length));
          };
          const error = pieces.map(([before, ...cut]) => before + piece(...cut)).join('') + after;
          expect(quoted(redact(error, [said]), said)).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('costs little time although it may be long', () => {
    const long = 'the quick brown fox '.repeat(50_000);
    const begun = process.cpuUsage();
    expect(redact(`error: ${'the quick brown fix '.repeat(15)}`, [long])).not.toContain('quick');
    expect(process.cpuUsage(begun).user).toBeLessThan(2_000_000);
  });

  it('costs no time worth speaking of, as long as it is searched', () => {
    const long = JSON.stringify({ prompt: 'the quick\n"brown" fox '.repeat(8_000) });
    const error = `error: ${'the quick brown fix '.repeat(15)}`;
    redact(error, [long]);
    const begun = process.cpuUsage();
    for (let n = 0; n < 20; n++) redact(error, [long]);
    // 20 times: a machine that is busy has other things to do in between.
    expect(process.cpuUsage(begun).user).toBeLessThan(20 * 20_000);
  });
});

describe('redact: keys', () => {
  const KEY = 'abcdefgh12345678';
  it.each([
    `Incorrect API key provided: sk-${KEY}.`,
    `Incorrect API key provided: sk-proj-${KEY}.`,
    `Authorization: Bearer ${KEY}`,
    `authorization: bearer   ${KEY}"`,
    `cannot reach http://me:${KEY}@gpu.lan:11434/api`,
    `GET https://gpu.lan/v1?api_key=${KEY}&x=1 failed`,
    `GET https://gpu.lan/v1?x=1&access_token=${KEY} failed`,
  ])('%s is logged without it', (text) => {
    expect(redact(text, [])).not.toContain(KEY);
    expect(redact(text, [])).toContain('…');
  });

  it('are gone also where the text is cut', () => {
    for (let blanks = 0; blanks < 400; blanks++) {
      const at = 'x'.repeat(blanks);
      for (const text of [`sk-${KEY}`, `Bearer ${KEY}`, `http://me:${KEY}@gpu.lan`]) {
        expect(redact(`${at} ${text} and so on`, [])).not.toContain('abcd');
      }
    }
  });
});

describe('redact: the rest', () => {
  it.each([
    'llama runner process has terminated: exit status 2',
    "404: model 'llama3.2' not found, try pulling it first",
    'connect ECONNREFUSED 127.0.0.1:11434',
    '503: server busy, please try again. maximum pending requests exceeded',
    'open /usr/share/ollama/.ollama/models/blobs: permission denied',
    'token limit exceeded: 9000 tokens > 8192',
  ])('%s is kept', (text) => {
    expect(redact(text, [PROMPT, ''])).toBe(text);
  });

  it('is one line of bounded length', () => {
    expect(redact('one\r\n\ttwo\n\n three', [])).toBe('one two three');
    expect(redact('x'.repeat(10_000), []).length).toBeLessThanOrEqual(300);
  });

  it('leaves nothing that could begin a line of its own in the log', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(redact(text, [])).not.toMatch(/[\r\n\u2028\u2029]/);
      }),
    );
  });
});

describe('redactCause', () => {
  it('does not look for quotations in what the system says', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
    });
    const asked = (): never => {
      throw new Error('asked for secrets');
    };
    expect(redactCause(refused, asked)).toBe('connect ECONNREFUSED 127.0.0.1:1');
    expect(redactCause(new Error(`bad: ${PROMPT}`), () => [PROMPT])).toBe('bad: …');
  });
});

describe('shown: what a client sees of a reason', () => {
  it.each([
    '"smollm2" does not support thinking',
    'image input is not supported - hint: if this is unexpected, you may need to provide the mmproj',
    "Unsupported value: 'temperature' does not support 0.2 with this model.",
    'request (6031 tokens) exceeds the available context size (2048 tokens), try increasing it',
    'body.stream_options: Extra inputs are not permitted',
    'registry.ollama.ai/library/smollm2:latest does not support tools',
    'time: missing unit in duration "300"',
    'max_tokens: 9000 is more than 8192',
    'prompt tokens: 9000, most: 8192',
    "unknown key: 'min_p' in options",
    'messages.0.content.1.image_url: Extra inputs are not permitted',
    'hf.co/bartowski/x:Q4_K_M does not support tools',
    'llama3.2:3b and qwen2.5-coder:32b do not support insert',
    'litellm.BadRequestError: OpenAIException - Invalid parameter: messages',
    'Invalid schema at $.properties.name: type is missing',
  ])('is the reason: %s', (said) => {
    expect(shown(said, [PROMPT, 'hi'])).toBe(said);
  });

  it.each([
    ['an address', 'dial tcp 10.11.12.13:8000: no', '10.11.12.13'],
    ['an address of IPv6', 'dial [fe80::1:2:3]:8000: no', 'fe80'],
    ['a host', 'cannot reach gpu.internal:8000 now', 'gpu.internal'],
    ['localhost', 'cannot reach localhost:11434 now', '11434'],
    ['a URL', 'see https://gpu.internal/secret?x=1 for more', 'gpu.internal'],
    ['a path', 'cannot open /usr/share/ollama/blobs/x.gguf now', 'share'],
    ['a path of Windows', 'cannot open C:\\Users\\Ada\\models now', 'Ada'],
    ['a key', 'wrong key sk-abcdefgh12345678 here', 'abcdefgh'],
    ['part of a key', 'wrong key sk-abc***xyz here', 'xyz'],
    ['a long token', 'wrong token 0123456789abcdef0123456789abcdef here', '0123456789'],
    ['a host alone', 'dial tcp: lookup gpu-7.corp.example.com: no such host', 'gpu-7'],
    ['a host of a cluster', 'no endpoints of ollama.models.svc.cluster.local now', 'ollama'],
    ['a host of a home', 'cannot reach ollama.local now', 'ollama'],
    ['a host with a short name', 'dial tcp gpu7:8000: connection refused', 'gpu7'],
    ['a name in a line of credentials', 'got Authorization: Basic YWRhOnNlY3JldA== here', 'YWRh'],
    ['a key by its name', 'got x-api-key: hunter2 here', 'hunter2'],
    ['a key in a setting', 'started with api_key="hunter2" here', 'hunter2'],
    ['a key in JSON', 'got {"api_key": "hunter2"} here', 'hunter2'],
    ['a password', 'login with password=hunter2 failed', 'hunter2'],
    ['a key of letters', 'wrong key AKIAIOSFODNNEXAMPLEKEY here', 'AKIA'],
    ['a socket of the system', 'dial unix /run/gpu.sock: refused', 'gpu.sock'],
    ['a share', 'cannot open \\\\nas7\\models\\x now', 'nas7'],
    ['an address of mail', 'ask ada.lovelace@example.com for it', 'lovelace'],
  ])('has no %s', (_what, said, secret) => {
    const safe = shown(said, []);
    expect(safe).not.toContain(secret);
    expect(safe).toMatch(/[a-z]{3}.*…/);
  });

  it('has no eight characters of the prompt', () => {
    const eights = Array.from({ length: PROMPT.length - 7 }, (_, at) => PROMPT.slice(at, at + 8));
    for (const said of [
      `bad: ${PROMPT}`,
      JSON.stringify({ x: PROMPT }),
      `a ${PROMPT.slice(9, 30)} b`,
    ]) {
      const safe = shown(said, [PROMPT]) ?? '';
      expect(eights.filter((eight) => safe.includes(eight))).toEqual([]);
    }
  });

  const word = fc.stringMatching(/^[a-z][a-z0-9]{3,9}$/);
  const secret = fc.stringMatching(/^[A-Za-z0-9]{24,48}$/).map((key) => `${key}7x`);
  const number = fc.integer({ min: 1, max: 254 });
  it('has no address and no key, whatever it is and wherever it stands', () => {
    const end = fc.constantFrom('com', 'internal', 'local', 'lan', 'io', 'ai', 'net', 'dev');
    const hidden = fc.oneof(
      fc.tuple(word, word, end).map((names) => names.join('.')),
      fc
        .tuple(word, fc.integer({ min: 1024, max: 65_535 }))
        .map(([name, port]) => `${name}:${port}`),
      fc.tuple(number, number, number, number).map((bytes) => bytes.join('.')),
      fc.tuple(word, word).map(([host, path]) => `http://${host}/${path}`),
      fc.tuple(word, word, word).map((names) => `/${names.join('/')}`),
      secret,
      secret.map((key) => `Bearer ${key}`),
    );
    fc.assert(
      fc.property(
        hidden,
        fc.constantFrom('cannot reach ', 'error: "', 'at=', '(', '[', '{"to":"'),
        fc.constantFrom('', ' now', '"', ')', '": refused', ', again'),
        (what, before, after) => {
          const safe = shown(`The server ${before}${what}${after}`, []) ?? '';
          expect(safe).not.toContain(what);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(['<html><h1>502</h1></html>', '<!DOCTYPE html>', '', '…', PROMPT])(
    'is nothing where nothing is left: %s',
    (said) => {
      expect(shown(said, [PROMPT])).toBeUndefined();
    },
  );

  it('is quick with any text', () => {
    for (const piece of ['/a', 'a.', '1.', ':a', 'a@', 'aA1-', '[', 'http://']) {
      const begun = process.cpuUsage();
      shown(piece.repeat(2_000), []);
      expect(process.cpuUsage(begun).user).toBeLessThan(300_000);
    }
  });
});
