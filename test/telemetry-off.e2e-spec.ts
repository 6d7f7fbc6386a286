import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './support/program.js';

const HOOK = new URL('./support/loaded-modules.mjs', import.meta.url);

/** The packages that a built server has loaded by the time that it listens. */
async function packagesOf(env: Record<string, string>): Promise<Set<string>> {
  const list = join(mkdtempSync(join(tmpdir(), 'llm-cast-modules-')), 'list');
  const options = { NODE_OPTIONS: `--import ${HOOK.href}`, LOADED_MODULES: list };
  const server = Program.server({ ...options, ...env });
  try {
    await server.listening();
  } finally {
    await server.kill();
  }
  const files = readFileSync(list, 'utf8')
    .split('\n')
    .filter((url) => url.startsWith('file:'));
  // A built file says in its map what was put into it.
  const sources = files.flatMap((url) => {
    const map = `${fileURLToPath(url)}.map`;
    if (!existsSync(map)) return [];
    return (JSON.parse(readFileSync(map, 'utf8')) as { sources: string[] }).sources;
  });
  return new Set(
    sources.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []),
  );
}

describe('a server', () => {
  it('without metrics and traces loads nothing that they need', async () => {
    const packages = await packagesOf({});
    expect(packages).toContain('@nestjs/core');
    expect([...packages].filter((name) => /^prom-client$|^@opentelemetry\//.test(name))).toEqual(
      [],
    );
  });

  it('loads them where they are wanted', async () => {
    const packages = await packagesOf({
      METRICS: 'true',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    });
    const needed = ['prom-client', '@opentelemetry/api', '@opentelemetry/exporter-trace-otlp-http'];
    expect([...packages]).toEqual(expect.arrayContaining(needed));
  });
});
