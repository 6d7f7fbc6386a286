import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describeIf, programInPath } from '../support/needs.js';
import { Stage } from '../support/stage.js';

const run = promisify(execFile);
const PROTOCOL = join(import.meta.dirname, '../../docs/protocol.md');

const GO = process.env['GO_PROGRAM'] ?? programInPath('go');
const JAVA = programInPath('java');
/** The jars of kotlin-compiler-embeddable and org.json, and of what they need. */
const { KOTLIN_CLASSPATH } = process.env;
const KOTLIN_MAIN =
  'fun main(args: Array<String>) = ask(args[0], "Why is the sky blue?") { print(it) }';

let stage: Stage;
let folder: string;

async function before(): Promise<void> {
  stage = await Stage.open();
  folder = await mkdtemp(join(tmpdir(), 'llm-cast-snippet-'));
}

async function after(): Promise<void> {
  await stage?.close();
  await rm(folder, { recursive: true, force: true });
}

/** A snippet of the protocol, asked at the server of this test. */
async function snippet(language: string): Promise<string> {
  const [, code] = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(
    await readFile(PROTOCOL, 'utf8'),
  )!;
  return code!.replaceAll('http://localhost:3000', stage.app.url);
}

/** Answers the program that runs, and gives what it says. */
async function answered(running: Promise<{ stdout: string }>): Promise<string> {
  const request = await stage.upstream.nextCall();
  expect(request.body['messages']).toEqual([{ role: 'user', content: 'Why is the sky blue?' }]);
  request.text('Because').text(' of Rayleigh.').done();
  return (await running).stdout;
}

/** What it ends with when the answer breaks off. */
async function brokenOff(running: Promise<unknown>): Promise<string> {
  const failed = running.then(
    () => '',
    ({ stderr }: { stderr: string }) => stderr,
  );
  (await stage.upstream.nextCall()).text('Because').end();
  return failed;
}

describeIf(
  GO !== undefined,
  'the Go of docs/protocol.md is not run, as PATH has no go, and GO_PROGRAM is not set',
)('the Go of docs/protocol.md', () => {
  beforeEach(before);
  afterEach(after);

  it('prints an answer, and fails where it is no whole one', async () => {
    const [source, program] = [join(folder, 'main.go'), join(folder, 'ask')];
    await writeFile(source, await snippet('go'));
    const env = {
      ...process.env,
      GOFLAGS: '-mod=mod',
      GO111MODULE: 'off',
      CGO_ENABLED: '0',
    };
    // Neither optimized nor to be debugged: Go's own packages take most of the time, once a machine.
    await run(
      GO!,
      ['build', '-gcflags=all=-N -l -dwarf=false', '-ldflags=-s -w', '-o', program, source],
      { env },
    );
    expect(await answered(run(program))).toBe('Because of Rayleigh.\n');
    expect(await brokenOff(run(program))).toMatch(/failed The answer ended/);
  });
});

describeIf(
  JAVA !== undefined && KOTLIN_CLASSPATH !== undefined,
  'the Kotlin of docs/protocol.md is not run, as PATH has no java, or KOTLIN_CLASSPATH (jars of kotlin-compiler-embeddable and org.json) is not set',
)('the Kotlin of docs/protocol.md', () => {
  beforeEach(before);
  afterEach(after);

  it('prints an answer, and fails where it is no whole one', async () => {
    const source = join(folder, 'main.kt');
    await writeFile(source, `${await snippet('kotlin')}\n${KOTLIN_MAIN}\n`);
    const compiler = 'org.jetbrains.kotlin.cli.jvm.K2JVMCompiler';
    const paths = ['-cp', KOTLIN_CLASSPATH!];
    const flags = ['-no-stdlib', '-no-reflect', '-d', folder];
    await run(JAVA!, [...paths, compiler, ...paths, ...flags, source]);
    const program = ['-cp', `${folder}:${KOTLIN_CLASSPATH}`, 'MainKt', stage.app.url];
    expect(await answered(run(JAVA!, program))).toBe('Because of Rayleigh.');
    expect(await brokenOff(run(JAVA!, program))).toMatch(/IllegalStateException/);
  });
});
