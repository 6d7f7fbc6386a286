import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'client/README.md'), 'utf8');
const snippets = [...readme.matchAll(/^```(ts|tsx|vue)\n(.*?)^```$/gms)];

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

const EXAMPLES = ['vue', 'react', 'ai-sdk'];

describe('the TypeScript', () => {
  let folder: string;
  /** What is wrong, a line each; all of it is compiled at one time, as most of that is its libraries. */
  let problems: string[];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'llm-cast-snippets-'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
    writeFileSync(join(folder, 'react-native.d.ts'), REACT_NATIVE);
    for (const [at, [, language, code]] of snippets.entries()) {
      writeFileSync(join(folder, `snippet-${at}.${language}`), code!);
    }
    for (const name of EXAMPLES) {
      const source = join(root, 'examples', name, 'src');
      cpSync(source, join(folder, 'examples', name), { recursive: true });
    }
    const wrong = `import { connect } from 'llm-cast-client';
      connect('/').chat({ prompt: 'Why?' });`;
    writeFileSync(join(folder, 'wrong.ts'), wrong);
    const compiler = join(root, 'node_modules/vue-tsc/bin/vue-tsc.js');
    const args = [compiler, '--noEmit', '--pretty', 'false', '-p', folder];
    const said = await run(process.execPath, args, { cwd: folder }).then(
      () => '',
      ({ stdout }: { stdout: string }) => stdout,
    );
    // What is indented goes on with the line before.
    problems = said.split('\n').filter((line) => /^\S/.test(line));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('of the README compiles, strictly', () => {
    const languages = snippets.map(([, language]) => language);
    expect(languages).toEqual(['ts', 'vue', 'tsx', 'ts', 'ts', 'ts']);
    expect(problems.filter((line) => !/^(examples\/|wrong\.ts)/.test(line))).toEqual([]);
  });

  it.each(EXAMPLES)('of examples/%s compiles, strictly', (name) => {
    expect(problems.filter((line) => line.startsWith(`examples/${name}/`))).toEqual([]);
  });

  it('that is wrong does not compile', () => {
    expect(problems.filter((line) => line.startsWith('wrong.ts(2,'))).toHaveLength(1);
  });
});
