import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type * as Examining from '../../doctor/src/examine.js';
import type { Finding } from '../../doctor/src/finding.js';

/** The built command. */
export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

interface Run {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `llm-cast doctor`. */
export function doctor(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'doctor', ...args], (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

/** What `llm-cast doctor --json` finds. */
export async function findings(...args: string[]): Promise<{ code: number; found: Finding[] }> {
  const { code, stdout, stderr } = await doctor('--json', ...args);
  expect(stderr).toBe('');
  const lines = stdout.split('\n').slice(0, -1);
  return { code, found: lines.map((line) => JSON.parse(line) as Finding) };
}

/** What the command would find, without a process of its own, which takes most of a run's time. */
export async function examined(
  url: string,
  options: Partial<Examining.ExamineOptions> = {},
): Promise<Finding[]> {
  const { examine } = await importOnce<typeof Examining>('doctor/src/examine.ts');
  const found: Finding[] = [];
  for await (const finding of examine(url, { origin: new URL(url).origin, ...options })) {
    found.push(finding);
  }
  return found;
}
