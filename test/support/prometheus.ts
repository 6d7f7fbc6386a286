import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from './free-port.js';
import { programInPath } from './needs.js';
import { until } from './until.js';

export const PROMETHEUS = programInPath('prometheus');
export const PROMTOOL = programInPath('promtool');
export const NO_PROMETHEUS =
  'nothing is tested with Prometheus, as PATH has no prometheus and promtool (apt-get install prometheus)';

/** Runs promtool. @returns what it says; fails where promtool does */
export async function promtool(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(PROMTOOL ?? 'promtool', args);
  return stdout + stderr;
}

/** What `promtool check metrics` has against metrics in the text format; empty where nothing. */
export function lint(metrics: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(PROMTOOL ?? 'promtool', ['check', 'metrics'], (_error, stdout, stderr) =>
      resolve(stdout + stderr),
    );
    child.stdin?.end(metrics);
  });
}

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

/** A real Prometheus that scrapes servers every second. */
export class Prometheus {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    readonly url: string,
  ) {}

  /**
   * @param targets `host:port` of each server to scrape
   * @param rules file of rules, if any
   */
  static async start(targets: readonly string[], rules?: string): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'llm-cast-prometheus-'));
    const port = await freePort();
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      ...(rules !== undefined && { rule_files: [rules] }),
      scrape_configs: [{ job_name: 'llm-cast', static_configs: [{ targets }] }],
    };
    // YAML is a superset of JSON.
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const child = spawn(
      PROMETHEUS ?? 'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const prometheus = new Prometheus(child, folder, `http://127.0.0.1:${port}`);
    await until(() =>
      fetch(`${prometheus.url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return prometheus;
  }

  /** Resolves when every target was scraped after this call. */
  async scraped(): Promise<void> {
    const from = Date.now();
    await until(async () => {
      const { activeTargets } = (await this.ask('targets')) as {
        activeTargets: { health: string; lastScrape: string; lastError: string }[];
      };
      return (
        activeTargets.length > 0 &&
        activeTargets.every(
          ({ health, lastScrape }) => health === 'up' && Date.parse(lastScrape) > from,
        )
      );
    });
    // A scrape is stored a moment after it is told.
    await until(async () => {
      const seen = await this.query('timestamp(up)');
      return seen.length > 0 && seen.every(({ value }) => Number(value[1]) * 1000 > from);
    });
  }

  /** What a query gives now. */
  async query(query: string): Promise<Sample[]> {
    const { result } = (await this.ask(`query?query=${encodeURIComponent(query)}`)) as {
      result: Sample[];
    };
    return result;
  }

  /** The one number that a query gives; undefined where it gives none. */
  async number(query: string): Promise<number | undefined> {
    const [sample, ...others] = await this.query(query);
    if (others.length > 0) throw new Error(`${query} gives several numbers`);
    return sample && Number(sample.value[1]);
  }

  /** @param path below `/api/v1/` */
  async ask(path: string): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`);
    return body.data;
  }

  async close(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
    await rm(this.folder, { recursive: true, force: true });
  }
}
