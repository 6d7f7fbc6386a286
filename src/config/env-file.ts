import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.js';

/** `NAME=`, with blanks around, after an `export` that shells need. */
const NAME = /^(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*/;

const LOST =
  'is empty, as what follows is read as a comment. A value that begins with # needs quotes.';

/**
 * The settings in a `.env` file; none where there is no such file. Text is UTF-8, or UTF-16 with a
 * byte-order mark, as PowerShell writes it. A line is empty, a comment (`#`) or `NAME=value`. A value
 * may stand in quotes, then also on several lines; in double quotes `\n` is a line feed and `\"` a
 * quote. Without quotes it ends before a ` #`. Of two lines with one name the last counts.
 * @param warn called with a sentence for each value that is lost, as it begins with a `#`
 * @throws ConfigError for anything else: a line that is dropped is a setting that is lost
 */
export function readEnvFile(
  path: string,
  warn: (sentence: string) => void = () => undefined,
): Record<string, string> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return {};
    throw new ConfigError(`${path} cannot be read (${code}).`);
  }
  return parse(path, decode(path, bytes), warn);
}

function decode(path: string, bytes: Buffer): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe
      ? 'utf-16le'
      : first === 0xfe && second === 0xff
        ? 'utf-16be'
        : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    // UTF-16 without its mark, or no text at all.
    if (!text.includes('\0')) return text;
  } catch {
    // Said below.
  }
  throw new ConfigError(`${path} must be text in UTF-8.`);
}

function parse(
  path: string,
  text: string,
  warn: (sentence: string) => void,
): Record<string, string> {
  const lines = text.split(/\r\n|\n|\r/);
  const settings: Record<string, string> = {};
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const where = `${path}, line ${at + 1}`;
    const [begin, name] = NAME.exec(line) ?? [];
    if (begin === undefined || name === undefined) {
      throw new ConfigError(`${where}: a line must be NAME=value or a # comment.`);
    }
    let rest = line.slice(begin.length);
    const [quote = ''] = /^["'`]/.exec(rest) ?? [];
    if (quote === '') {
      // A comment mostly has a blank behind its sign; a key or a colour may begin like this.
      if (/^#\S/.test(rest)) warn(`${where}: ${name} ${LOST}`);
      settings[name] = rest.replace(/(^|\s)#.*$/, '').trimEnd();
      continue;
    }
    let end = closing(rest, quote);
    while (end === -1) {
      if (++at === lines.length) throw new ConfigError(`${where}: a ${quote} is never closed.`);
      rest += `\n${lines[at]}`;
      end = closing(rest, quote);
    }
    if (!/^\s*(#.*)?$/.test(rest.slice(end + 1))) {
      throw new ConfigError(`${where}: nothing may follow the closing ${quote}.`);
    }
    const value = rest.slice(1, end);
    settings[name] = quote === '"' ? value.replaceAll('\\n', '\n').replaceAll('\\"', '"') : value;
  }
  return settings;
}

/** Where the quote at the beginning is closed; -1 where it is not. */
function closing(text: string, quote: string): number {
  const inside = quote === '"' ? /^"(?:\\"|[^"])*/ : quote === "'" ? /^'[^']*/ : /^`[^`]*/;
  const { length } = inside.exec(text)?.[0] ?? '';
  return text[length] === quote ? length : -1;
}
