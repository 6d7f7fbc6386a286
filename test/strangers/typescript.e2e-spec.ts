import { copyFile, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningServer } from '../../src/server.js';
import { startApp } from '../support/app.js';
import { describeIf } from '../support/needs.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';
import { ROOT } from '../support/tables.js';
import { run } from './support.js';

const { STRANGERS_NODE: modules = '' } = process.env;

describeIf(
  modules !== '',
  'the client of openapi-typescript is not tested, as STRANGERS_NODE (the node_modules of test/strangers/typescript) is not set',
)('the client that openapi-typescript makes of the OpenAPI document', () => {
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

  it('compiles, and works', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'llm-cast-typescript-'));
    const file = (name: string): string => join(folder, name);
    const program = (name: string, ...args: string[]): Promise<string> =>
      run(process.execPath, join(modules, name), ...args);
    await symlink(modules, file('node_modules'));
    await writeFile(file('package.json'), '{"type":"module"}');
    const source = join(import.meta.dirname, 'typescript/generated-client.ts');
    await copyFile(source, file('generated-client.ts'));
    await writeFile(file('openapi.json'), await (await fetch(`${app.url}/docs-json`)).text());

    const made = await program(
      'openapi-typescript/bin/cli.js',
      file('openapi.json'),
      '--output',
      file('api.d.ts'),
    );
    expect(made).not.toMatch(/warning|error/i);
    const options = ['--strict', '--target', 'es2022', '--module', 'nodenext'];
    const compiler = join(ROOT, 'node_modules/typescript-7/bin/tsc');
    await run(process.execPath, compiler, ...options, file('generated-client.ts'));
    const used = run(process.execPath, file('generated-client.js'), app.url);
    (await upstream.nextCall()).text('The sky is blue').done();
    expect((await used).trim()).toBe('The sky is blue stop');
  });
});
