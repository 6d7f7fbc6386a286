import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { responseFields } from './openai-clients.js';
import { ROOT } from './tables.js';
import type { Asking, Run } from './truth.js';

interface Said {
  id: number;
  text?: string;
  end?: string;
  error?: { message: string; code: string | null; status: number | null };
}

/** Clients of Python, all in one process. */
export class PythonClients {
  private process: ChildProcessWithoutNullStreams | undefined;
  private asked = 0;
  private readonly listeners = new Map<number, (said: Said) => void>();

  /** One of the clients in test/strangers/ends.py. @param fieldsOf the request's, as it has them */
  client(name: string, fieldsOf: (fields: Asking['fields']) => object = (fields) => fields): Run {
    return ({ url, apiKey: key, fields, signal }, onText) =>
      new Promise((resolve, reject) => {
        const id = ++this.asked;
        this.listeners.set(id, ({ text, end, error }) => {
          if (text !== undefined) return onText(text);
          this.listeners.delete(id);
          if (end !== undefined) return resolve(end);
          const { message = '', code, status } = error ?? {};
          reject(
            Object.assign(new Error(message), {
              code: code ?? undefined,
              status: status ?? undefined,
            }),
          );
        });
        signal.addEventListener('abort', () => this.write({ id, abort: true }));
        this.write({ id, client: name, url, key, fields: fieldsOf(fields) });
      });
  }

  close(): void {
    this.process?.kill();
  }

  private write(said: object): void {
    this.process ??= this.start();
    this.process.stdin.write(`${JSON.stringify(said)}\n`);
  }

  private start(): ChildProcessWithoutNullStreams {
    const file = join(ROOT, 'test/strangers/ends.py');
    const process_ = spawn(process.env['STRANGERS_PYTHON'] ?? '', ['-W', 'ignore', file]);
    createInterface(process_.stdout).on('line', (line) => {
      const said = JSON.parse(line) as Said;
      this.listeners.get(said.id)?.(said);
    });
    process_.stderr.pipe(process.stderr);
    return process_;
  }
}

const clients = new PythonClients();
afterAll(() => clients.close());

/** The columns of the table in docs/doors.md. */
export const PYTHON_CLIENTS = {
  'openai, chat streamed': clients.client('openai, chat'),
  'openai, responses streamed': clients.client('openai, responses', responseFields),
  'LangChain, chat streamed': clients.client('LangChain, chat'),
  'LangChain, responses streamed': clients.client('LangChain, responses', responseFields),
  'ollama-python, chat streamed': clients.client('ollama, chat', ollamaFields),
} satisfies Record<string, Run>;

/** The same wishes as Ollama's clients can have them. */
function ollamaFields({ n, ...fields }: Asking['fields']): object {
  return { ...fields, ...(n !== undefined && { logprobs: true }) };
}
