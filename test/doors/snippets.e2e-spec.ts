import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { load } from 'js-yaml';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { describeIf } from '../support/needs.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { read, ROOT } from '../support/tables.js';
import { STRANGERS } from '../strangers/support.js';

/** The code of docs/doors.md whose first line is this comment. */
function snippet(language: string, title: string): string {
  const blocks = read('docs/doors.md').matchAll(/^```(\w+)\n(.*?)^```$/gms);
  const found = [...blocks].find(([, name, code = '']) => {
    const [first] = code.split('\n');
    return name === language && first?.replace(/^(\/\/|#) /, '') === title;
  });
  if (found === undefined) throw new Error(`docs/doors.md has no ${language} "${title}"`);
  return found[2] ?? '';
}

let upstream: ScriptedUpstream;
let app: RunningServer;
beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  app = await startApp({ OLLAMA_BASE_URL: upstream.url });
});
afterAll(async () => {
  await app?.close();
  await upstream?.close();
});

/** Runs it at the server of this test, which answers it so often. @returns what it prints */
async function said(program: string, args: string[], code: string, times = 1): Promise<string> {
  const child = spawn(program, args, { cwd: ROOT });
  const closed = once(child, 'close');
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  child.stdin.end(code.replaceAll('http://localhost:3000', app.url));
  for (let turn = 0; turn < times; turn++) {
    const call = await upstream.nextCall();
    expect(call.body['messages']).toMatchObject([
      { role: 'user', content: 'Why is the sky blue?' },
    ]);
    call.text('Because').text(' of Rayleigh.').done();
  }
  await closed;
  return output;
}

describe('the code of docs/doors.md', () => {
  it.each(['openai (Node)', 'LangChain.js: @langchain/openai', 'ollama-js'])(
    '%s',
    async (title) => {
      const output = await said(process.execPath, ['--input-type=module'], snippet('js', title));
      expect(output).toBe('Because of Rayleigh.');
    },
  );

  it('Vue: @ai-sdk/vue', async () => {
    const code = snippet('js', 'Vue: @ai-sdk/vue');
    const page = `const [id, messages] = ['c', []];
      ${code}
      await chat.sendMessage({ text: 'Why is the sky blue?' });
      process.stdout.write(chat.lastMessage.parts.map(({ text = '' }) => text).join(''));`;
    const output = await said(process.execPath, ['--input-type=module'], page);
    expect(output).toBe('Because of Rayleigh.');
  });

  it('Continue', () => {
    const config = /^```yaml\n(.*?)^```$/ms.exec(read('docs/doors.md'))?.[1] ?? '';
    const { models } = load(config) as { models: Record<string, string>[] };
    expect(models).toEqual([
      {
        name: 'llm-cast',
        provider: 'openai',
        model: 'llama3.2',
        apiBase: 'http://localhost:3000/v1',
        apiKey: 'none',
      },
    ]);
  });
});

describeIf(...STRANGERS)('the Python of docs/doors.md', () => {
  // One after the other in one process: most of the time goes into what they import.
  it('openai, LangChain and ollama-python', async () => {
    const titles = ['openai (Python)', 'LangChain: langchain-openai', 'ollama-python'];
    const python = process.env['STRANGERS_PYTHON'] ?? '';
    const code = titles.map((title) => snippet('python', title)).join('print()\n');
    const answers = titles.map(() => 'Because of Rayleigh.');
    expect(await said(python, ['-'], code, titles.length)).toBe(answers.join('\n'));
  });
});
