import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'client/README.md'), 'utf8');

/** As much of React Native as the README uses. */
const REACT_NATIVE = `declare module 'react-native' {
  type State = 'active' | 'background' | 'inactive';
  export const AppState: {
    addEventListener(event: 'change', heard: (state: State) => void): { remove(): void };
  };
}`;
const OPTIONS = {
  module: 'esnext',
  moduleResolution: 'bundler',
  target: 'es2022',
  lib: ['ES2022', 'DOM', 'DOM.Iterable'],
  jsx: 'react-jsx',
  strict: true,
  noUnusedLocals: true,
  skipLibCheck: true,
  types: ['node'],
  noEmit: true,
};

describe('the TypeScript', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'llm-cast-snippets-'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
    writeFileSync(join(folder, 'react-native.d.ts'), REACT_NATIVE);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** What is wrong with it. */
  const problems = async (): Promise<string> => {
    const compiler = join(root, 'node_modules/vue-tsc/bin/vue-tsc.js');
    const args = [compiler, '--noEmit', '-p', folder];
    return run(process.execPath, args, { cwd: folder }).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
  };

  it('of the README compiles, strictly', async () => {
    const snippets = [...readme.matchAll(/^```(ts|tsx|vue)\n(.*?)^```$/gms)];
    expect(snippets.map(([, language]) => language)).toEqual([
      'ts',
      'vue',
      'tsx',
      'ts',
      'ts',
      'ts',
    ]);
    for (const [at, [, language, code]] of snippets.entries()) {
      writeFileSync(join(folder, `snippet-${at}.${language}`), code!);
    }
    expect(await problems()).toBe('');
  });

  it.each(['vue', 'react', 'ai-sdk'])('of examples/%s compiles, strictly', async (name) => {
    cpSync(join(root, 'examples', name, 'src'), join(folder, 'src'), { recursive: true });
    expect(await problems()).toBe('');
  });

  it('that is wrong does not compile', async () => {
    const wrong = `import { connect } from 'llm-cast-client';
      connect('/').chat({ prompt: 'Why?' });`;
    writeFileSync(join(folder, 'wrong.ts'), wrong);
    expect(await problems()).toContain('wrong.ts(2,');
  });
});
