import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { LOOK_MS } from '../src/cast/cast.service.js';
import { settings } from '../src/config/settings.js';
import { startApp } from './support/app.js';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Instructions that a Dockerfile of ours may have. */
const KNOWN = 'FROM WORKDIR COPY RUN ENV USER EXPOSE HEALTHCHECK CMD'.split(' ');

interface Instruction {
  name: string;
  rest: string;
}
interface Service {
  build?: { context: string; dockerfile: string };
  environment: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  extra_hosts?: string[];
  stop_grace_period?: string;
}
interface Probe {
  httpGet: { path: string; port: number };
}
interface PodSpec {
  terminationGracePeriodSeconds: number;
  containers: {
    env: { name: string }[];
    lifecycle?: { preStop: { exec: { command: string[] } } };
    livenessProbe: Probe;
    readinessProbe: Probe & { timeoutSeconds: number };
  }[];
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

describe('deploy/Dockerfile', () => {
  const stages = stagesOf(read('deploy/Dockerfile'));
  const [build = [], final = []] = stages;
  const argumentsOf = (stage: Instruction[], name: string): string[] =>
    stage.filter((one) => one.name === name).map(({ rest }) => rest);

  it('builds in one stage and runs in another, both on Node 24', () => {
    expect(stages).toHaveLength(2);
    for (const stage of stages) expect(stage[0]?.rest).toMatch(/^node:24(-|$| )/);
  });

  it('copies only what is there and what .dockerignore lets through', () => {
    const sources = stages
      .flatMap((stage) => argumentsOf(stage, 'COPY'))
      .filter((rest) => !rest.startsWith('--from='))
      .flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    expect(sources).toContain('package-lock.json');
    expect(sources.filter((source) => !existsSync(join(ROOT, source)))).toEqual([]);
    const [first, ...rules] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    expect(sources.filter((source) => !rules.includes(`!${source.replace('./', '')}`))).toEqual([]);
  });

  it('copies all that the build is made of', async () => {
    const parts = (await import(join(ROOT, 'scripts/build-parts.mjs'))) as {
      PARTS: Record<string, { inputs: string[] }>;
    };
    const copied = new Set(
      argumentsOf(build, 'COPY').flatMap((rest) => rest.split(/\s+/).slice(0, -1)),
    );
    const needed = Object.values(parts.PARTS).flatMap(({ inputs }) => inputs);
    expect(needed.length).toBeGreaterThan(10);
    expect(needed.filter((path) => !copied.has(path.replace('./', '')))).toEqual([]);
  });

  it('installs from the lock file, builds with our script and leaves development behind', () => {
    const commands = argumentsOf(build, 'RUN').flatMap((rest) => rest.split(/\s*&&\s*/));
    expect(commands).toEqual([
      'npm ci',
      'npm run build',
      'npm prune --omit=dev',
      'rm -f node_modules/llm-cast-*',
    ]);
    expect(JSON.parse(read('package.json'))).toMatchObject({
      scripts: { build: 'node scripts/build.mjs' },
    });
  });

  it('runs as somebody who is not root, on every interface, what npm run start:prod runs', () => {
    expect(argumentsOf(final, 'USER')).toEqual(['node']);
    expect(argumentsOf(final, 'ENV').join(' ').split(' ')).toContain('HOST=0.0.0.0');
    const [command = ''] = argumentsOf(final, 'CMD');
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect((JSON.parse(command) as string[]).join(' ')).toBe(scripts['start:prod']);
    const { PORT, SOCKET_PORT } = settings.parse({});
    expect(argumentsOf(final, 'EXPOSE')).toEqual([`${PORT} ${SOCKET_PORT}`]);
  });

  it('is healthy while the server answers, and not after', async () => {
    const [check = ''] = argumentsOf(final, 'HEALTHCHECK');
    const [node, ...args] = JSON.parse(/CMD (\[.*\])$/.exec(check)?.[1] ?? '[]') as string[];
    expect(node).toBe('node');
    const app = await startApp({ HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' });
    const exitCode = async (): Promise<unknown> => {
      const child = spawn(process.execPath, args, {
        env: { ...process.env, PORT: new URL(app.url).port },
        stdio: 'ignore',
      });
      return (await once(child, 'exit'))[0];
    };
    try {
      expect(await exitCode()).toBe(0);
    } finally {
      await app.close();
    }
    expect(await exitCode()).toBe(1);
  });
});

describe('the pod of docs/operations.md', () => {
  const [, yaml = ''] = /^```yaml\n(.*?)^```$/ms.exec(read('docs/operations.md')) ?? [];
  const { spec } = load(yaml) as { spec: PodSpec };
  const [container] = spec.containers;

  it('sets only what is a setting', () => {
    const names = container!.env.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(2);
    expect(names.filter((name) => !(name in settings.shape))).toEqual([]);
  });

  it('serves on until no proxy sends it anything new, and waits longer for the end than a drain takes', () => {
    const [command, seconds] = container!.lifecycle?.preStop.exec.command ?? [];
    expect([command, Number(seconds)]).toEqual(['sleep', 5]);
    expect((spec.terminationGracePeriodSeconds - Number(seconds)) * 1_000).toBeGreaterThan(
      settings.parse({}).DRAIN_MS + 5_000,
    );
  });

  it('waits longer for readiness than an upstream that hangs can hold it up', () => {
    expect(container!.readinessProbe.timeoutSeconds * 1_000).toBeGreaterThan(LOOK_MS);
  });

  it('asks the server whether it lives and is ready, by the address of the pod', async () => {
    const app = await startApp({
      OLLAMA_BASE_URL: 'http://127.0.0.1:1',
      HOST: '0.0.0.0',
      JWT_SECRET: 's'.repeat(32),
    });
    try {
      const { port } = new URL(app.url);
      const probes = [container!.livenessProbe, container!.readinessProbe];
      const answers = await Promise.all(
        probes.map(({ httpGet: { path } }) => fetch(`http://127.0.0.2:${port}${path}`)),
      );
      // Without an upstream it lives, and is not ready.
      expect(answers.map(({ status }) => status)).toEqual([200, 503]);
    } finally {
      await app.close();
    }
  });
});

describe('deploy/compose.yaml', () => {
  const compose = load(read('deploy/compose.yaml')) as Compose;
  const { 'llm-cast': cast, ollama } = compose.services;

  it('builds with the Dockerfile from the root', () => {
    expect(cast?.build).toBeDefined();
    expect(join('deploy', cast?.build?.context ?? '')).toBe('.');
    expect(existsSync(join(ROOT, cast?.build?.dockerfile ?? ''))).toBe(true);
  });

  it('sets only what is a setting, to values that llm-cast takes', () => {
    const env = Object.fromEntries(
      Object.entries(cast?.environment ?? {})
        .map(([name, value]) => [name, value.replace(/\$\{\w+:-(.*?)\}/g, '$1')])
        .filter(([, value]) => value !== ''),
    );
    expect(settings.strict().safeParse(env)).toMatchObject({ success: true });
    expect(env['OLLAMA_BASE_URL']).toBe('http://ollama:11434');
    expect(cast?.environment['MAX_CONCURRENT']).toBe(ollama?.environment['OLLAMA_NUM_PARALLEL']);
  });

  it('publishes both ports to this machine only', () => {
    const { PORT, SOCKET_PORT } = settings.parse({});
    expect(cast?.ports).toEqual([PORT, SOCKET_PORT].map((port) => `127.0.0.1:${port}:${port}`));
    expect(ollama?.ports).toBeUndefined();
  });

  it('reaches an Ollama on the host', () => {
    expect(cast?.extra_hosts).toEqual(['host.docker.internal:host-gateway']);
  });

  it('keeps the models', () => {
    const volumes = (ollama?.volumes ?? []).map((volume) => volume.split(':')[0]);
    expect(volumes).toEqual(Object.keys(compose.volumes));
  });

  it('waits longer for the end than a drain takes', () => {
    const seconds = /^(\d+)s$/.exec(cast?.stop_grace_period ?? '')?.[1];
    expect(Number(seconds) * 1000).toBeGreaterThan(settings.parse({}).DRAIN_MS + 5_000);
  });
});

/** The instructions of each stage, its FROM first; comments and line continuations resolved. */
function stagesOf(dockerfile: string): Instruction[][] {
  const stages: Instruction[][] = [];
  const lines = dockerfile.replace(/^#.*\n/gm, '').replace(/\\\n\s*/g, '');
  for (const line of lines.split('\n').filter((text) => text !== '')) {
    const [, name = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    expect(KNOWN).toContain(name);
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, rest });
  }
  return stages;
}
