import { mkdtempSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { ConfigError } from './config-error.js';
import { readEnvFile } from './env-file.js';

const folder = mkdtempSync(join(tmpdir(), 'llm-cast-env-'));
const path = join(folder, '.env');

function read(content: string | Buffer, warn?: (sentence: string) => void): Record<string, string> {
  writeFileSync(path, content);
  return readEnvFile(path, warn);
}

function refusal(content: string | Buffer): string {
  try {
    read(content);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('it was read');
}

const TWO = 'PORT=8080\r\nHOST=0.0.0.0\r\n';
const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

describe('a .env file', () => {
  it('may be missing', () => {
    expect(readEnvFile(join(folder, 'nowhere'))).toEqual({});
  });

  it.each<[string, string | Buffer]>([
    ['UTF-8', TWO],
    ['UTF-8 with a byte-order mark', `\ufeff${TWO}`],
    ['UTF-16, little end first, with a mark', Buffer.from(`\ufeff${TWO}`, 'utf16le')],
    ['UTF-16, big end first, with a mark', bigEndian(`\ufeff${TWO}`)],
    ['a line of blanks', `PORT=8080\n \t \nHOST=0.0.0.0`],
    ['a form feed and other blanks', `\f\nPORT=8080\n\u00a0\n\vHOST=0.0.0.0`],
    ['lines that begin with blanks', `  PORT=8080\n\tHOST=0.0.0.0\n`],
    ['blanks around the sign', `PORT = 8080\nHOST\t=\t0.0.0.0  \n`],
    ['old line ends', `PORT=8080\rHOST=0.0.0.0\r`],
    ['comments', `# ports\nPORT=8080 # ours\n  #HOST=x\nHOST="0.0.0.0" # all\n#`],
    ['what a shell exports', `export PORT=8080\nexport\tHOST='0.0.0.0'`],
    ['a name that stands there twice', `PORT=1\nPORT=8080\nHOST=0.0.0.0`],
  ])('is read with %s', (_what, content) => {
    expect(read(content)).toEqual({ PORT: '8080', HOST: '0.0.0.0' });
  });

  it.each([
    ['A=', ''],
    ['A=""', ''],
    ["A='it is # no comment'", 'it is # no comment'],
    ['A=sk-a#b=c', 'sk-a#b=c'],
    ['A=# nothing', ''],
    ['A={"num_ctx": 8192}', '{"num_ctx": 8192}'],
    [`A='{"num_ctx": 8192}'`, '{"num_ctx": 8192}'],
    ['A="{\\"num_ctx\\": 8192}"', '{"num_ctx": 8192}'],
    ['A=`it\'s "so"`', `it's "so"`],
    ['A="one\\ntwo"', 'one\ntwo'],
    ['A="one\n\n two"', 'one\n\n two'],
    ["A='one\\ntwo'", 'one\\ntwo'],
  ])('%j means %j', (content, value) => {
    expect(read(content)).toEqual({ A: value });
  });

  it('is read with a warning where a comment stands in the place of a value', () => {
    const said: string[] = [];
    const content = [
      '#PORT=8080',
      'JWT_SECRET=#k3JvX0d1Qm6c7Tq2Zr9s',
      'B = #f00',
      'C=# a comment',
      'D= # another',
      'E=sk-a#b',
      "F='#f00'",
    ];
    expect(read(content.join('\n'), (sentence) => said.push(sentence))).toMatchObject({
      JWT_SECRET: '',
      F: '#f00',
    });
    const why =
      'is empty, as what follows is read as a comment. A value that begins with # needs quotes.';
    expect(said).toEqual([`${path}, line 2: JWT_SECRET ${why}`, `${path}, line 3: B ${why}`]);
  });

  it.each<[string, string | Buffer, RegExp]>([
    [
      'no sign',
      'PORT=1\n\nHOST 0.0.0.0\n',
      /\.env, line 3: a line must be NAME=value or a # comment\.$/,
    ],
    ['no name', '=1', /line 1: a line must be/],
    ['a name that is none', 'MY PORT=1', /line 1: a line must be/],
    ['a quote that is never closed', 'A=1\nB="2\nC=3\n', /line 2: a " is never closed\.$/],
    ['text behind a quote', `A='1'2`, /line 1: nothing may follow the closing '\.$/],
    ['UTF-16 without a mark', Buffer.from(TWO, 'utf16le'), /\.env must be text in UTF-8\.$/],
    ['Latin-1', Buffer.from('OPENAI_MODEL=größe', 'latin1'), /\.env must be text in UTF-8\.$/],
    ['no text', Buffer.from([0x50, 0x4b, 0x03, 0x04, 0xff]), /\.env must be text in UTF-8\.$/],
  ])('is refused with %s, by its name and the line', (_what, content, said) => {
    expect(refusal(content)).toMatch(said);
  });

  it('is refused where it is a folder, as Docker makes of a mount that is missing', () => {
    const folderOfThatName = join(folder, 'folder.env');
    mkdirSync(folderOfThatName);
    expect(() => readEnvFile(folderOfThatName)).toThrow(
      new ConfigError(`${folderOfThatName} cannot be read (EISDIR).`),
    );
  });

  it('gives back what was written in quotes, whatever it is', () => {
    const value = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/['\r\0]/g, ''));
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[A-Z][A-Z_]{0,8}$/), value), (settings) => {
        const lines = Object.entries(settings).map(([name, text]) => `${name}='${text}'`);
        expect(read(lines.join('\n'))).toEqual({ ...settings });
      }),
    );
  });

  it('is read, or refused by its name, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array()), (content) => {
        try {
          read(Buffer.from(content as string));
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as Error).message).toContain(path);
        }
      }),
    );
  });
});
