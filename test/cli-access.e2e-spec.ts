import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { KeysFile, SECRET, tokenOf } from './support/credentials.js';
import { Program } from './support/program.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

describe('llm-cast in a terminal, at a server that asks for a credential', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llm-cast-cli-'));
  let upstream: ScriptedUpstream;
  let app: RunningServer;
  let key: string;

  beforeAll(async () => {
    upstream = await ScriptedUpstream.start();
    const keys = new KeysFile();
    key = keys.add('shop');
    app = await startApp({
      OLLAMA_BASE_URL: upstream.url,
      JWT_SECRET: SECRET,
      API_KEYS_FILE: keys.path,
      ALLOW_PULL: 'true',
    });
  });
  afterAll(async () => {
    await app?.close();
    await upstream?.close();
  });

  const start = (args: string[], credential?: string): Program =>
    Program.run('cli.js', args, {
      env: {
        LLM_CAST_URL: app.url,
        ...(credential !== undefined && { LLM_CAST_TOKEN: credential }),
      },
    });
  const run = async (
    args: string[],
    credential?: string,
  ): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const program = start(args, credential);
    const code = await program.exited;
    return { code, stdout: program.stdout, stderr: program.stderr };
  };
  const fileOf = (text: string): string => {
    const file = join(folder, `${Math.random()}`);
    writeFileSync(file, text);
    return file;
  };

  it('shows the key or token of LLM_CAST_TOKEN', async () => {
    const asked = start(['chat', 'why?'], await tokenOf('ada'));
    (await upstream.nextCall()).text('Because.').done();
    expect([await asked.exited, asked.stdout]).toEqual([0, 'Because.']);
    expect((await run(['models'], key)).stdout).toContain('llama3.2');
  });

  it('shows that of --token-file, also where another stands in the environment, and reads it anew', async () => {
    const file = fileOf(`${await tokenOf('ada', undefined, -60)}\n`);
    expect(await run(['models', '--token-file', file], key)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('(auth_expired)'),
    });
    writeFileSync(file, `${await tokenOf('ada')}\n`);
    const asked = start(['chat', '--token-file', file], key);
    asked.child.stdin?.write('one\n');
    (await upstream.nextCall()).text('first').done();
    await until(() => asked.stdout.includes('first'));
    writeFileSync(file, await tokenOf('bob', { scopes: [] }));
    asked.child.stdin?.end('two\n');
    await asked.exited;
    expect(asked.stderr).toContain('This needs the scope start. (forbidden)');
  });

  it.each([
    ['none', undefined, 'A valid API key or token is needed. (unauthorized)'],
    ['a bad one', 'bad', 'A valid API key or token is needed. (unauthorized)'],
  ])('says how to give one where there is %s', async (_name, credential, sentence) => {
    for (const args of [['chat', 'why?'], ['models'], ['pull', 'tiny']]) {
      expect(await run(args, credential)).toEqual({
        code: 1,
        stdout: '',
        stderr: `llm-cast: ${sentence} Give it in LLM_CAST_TOKEN, or in a file with --token-file.\n`,
      });
    }
  });

  it('says what is wrong with a file, and never what stands in it', async () => {
    const secrets = fileOf('two secret words');
    for (const command of [['chat', 'why?'], ['models'], ['pull', 'tiny'], ['doctor']]) {
      expect(await run([...command, '--token-file', secrets])).toMatchObject({
        code: 1,
        stderr: `llm-cast: --token-file ${secrets} holds no key or token.\n`,
      });
    }
    const nowhere = join(folder, 'nowhere');
    expect(await run(['models', '--token-file', nowhere])).toMatchObject({
      code: 1,
      stderr: `llm-cast: --token-file ${nowhere} cannot be read: ENOENT.\n`,
    });
  });

  it('pulls with it, and says which scope that needs', async () => {
    expect(await run(['pull', 'tiny'], key)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('This needs the scope pull. (forbidden)'),
    });
    const pulled = start(['pull', 'tiny'], await tokenOf('ada', { scopes: ['pull', 'read'] }));
    const request = await upstream.nextCall();
    expect(request.body).toMatchObject({ model: 'tiny' });
    request.line({ status: 'success' }).end();
    expect(await pulled.exited).toBe(0);
  });

  it('examines with it, and says who it is', async () => {
    const examined = start(['doctor'], await tokenOf('ada'));
    const refused = await run(['doctor', '--json']);
    const findings = refused.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; status: string; what: string });
    expect(refused.code).toBe(1);
    expect(findings.filter(({ status }) => status === 'failed')).toMatchObject([
      { id: 'access', what: expect.stringContaining('A valid API key or token is needed.') },
    ]);
    await examined.exited;
    expect(examined.stdout).toMatch(/^ok +Access: It knows the user ada of tenant default/m);
    expect(examined.stdout).toMatch(/^ok +Upstream ollama: It answers: 1 model/m);
    expect(examined.stdout).not.toContain('failed');
  });
});
