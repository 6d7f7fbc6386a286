import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../fixtures/captures');

/** What a real server sent once. */
export interface Capture {
  name: string;
  endpoint: 'generate' | 'chat' | 'pull';
  isOllama: boolean;
  status: number;
  /** Of those, only what a replay needs. */
  headers: { 'content-type': string };
  body: Buffer;
}

/** The right reading of an answer. */
export interface Expected {
  thinking?: string;
  text?: string;
  /** Each `status` of a pull. */
  progress?: string[];
  /** How many records of text and thinking there are. */
  chunks?: number;
  finishReason?: string;
  usage?: [prompt: number, completion: number] | null;
  code?: string;
  /** Whether the client hears that it may ask again. */
  retryable?: boolean;
  /** Something that the sentence for the client says. */
  detail?: string;
}

/** By the name of the capture; read by hand, and by a program that knows nothing of llm-cast. */
export const EXPECTED = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8')) as Record<
  string,
  Expected
>;

/** Reads a recording of `curl -i`: lines with `#`, the status line, headers, body. */
export function capture(name: string): Capture {
  const recorded = readFileSync(join(FOLDER, `${name}.txt`), 'utf8');
  const [, asked = '', status, headers = '', body = ''] =
    /^(.*?)HTTP\/1\.1 (\d+)(.*?)\r?\n\r?\n(.*)$/s.exec(recorded) ?? [];
  return {
    name,
    endpoint: /\/api\/pull/.test(asked) ? 'pull' : /chat|\/v1\//.test(asked) ? 'chat' : 'generate',
    isOllama: name.startsWith('ollama'),
    status: Number(status),
    // Where the middle was left out, it began in the headers now and then; all of those are events.
    headers: {
      'content-type': /^content-type: *(.*?)\r?$/im.exec(headers)?.[1] ?? 'text/event-stream',
    },
    // What curl said at the end, and where the middle was left out, is not of the server.
    body: Buffer.from(body.replace(/\n# curl exit \d+\n$/, '').replace(/^(# )?….*\n\n?/gmu, '')),
  };
}
