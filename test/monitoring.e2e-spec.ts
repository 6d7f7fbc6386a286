import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { load } from 'js-yaml';
import type { RunningServer } from '../src/server.js';
import { startApp } from './support/app.js';
import { Client } from './support/client.js';
import { describeIf } from './support/needs.js';
import { lint, NO_PROMETHEUS, Prometheus, PROMETHEUS, promtool } from './support/prometheus.js';
import { ENGINES, RedisServer } from './support/redis-server.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { until } from './support/until.js';

const path = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
const RULES = path('deploy/prometheus/rules.yaml');
const RULE_TESTS = path('test/fixtures/rules.test.yaml');

interface Dashboard {
  panels: { type: string; title: string; targets?: { expr: string }[] }[];
}
interface Rules {
  groups: { rules: { alert: string; expr: string; annotations: { action?: string } }[] }[];
}
interface RuleTests {
  tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
}

const dashboard = JSON.parse(
  readFileSync(path('deploy/grafana/llm-cast.json'), 'utf8'),
) as Dashboard;
const rules = (load(readFileSync(RULES, 'utf8')) as Rules).groups.flatMap((group) => group.rules);
const panels = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const queries = [...panels, ...rules.map(({ expr }) => expr)].map((expr) =>
  expr.replaceAll('$__rate_interval', '1m'),
);
const NAME = /\b(?:llm_cast|gen_ai|nodejs|process)_\w+(?=[{[)\s]|$)/g;
const LABELS = /\b(?:by|on|ignoring) \([^)]*\)/g;
/** Alerts that a machine which is busy with something else may begin. */
const OF_SPEED = new Set(['LlmCastFirstTokenSlow', 'LlmCastDeliveryLags', 'LlmCastStoreSlow']);
const series = new Set(queries.flatMap((query) => query.replace(LABELS, '').match(NAME) ?? []));

describe('the dashboard', () => {
  it('has the five rows, and no panel twice', () => {
    const titles = dashboard.panels.map(({ title }) => title);
    expect(dashboard.panels.flatMap(({ type, title }) => (type === 'row' ? title : []))).toEqual([
      'Overview',
      'Line',
      'Upstreams',
      'Delivery',
      'Cluster',
    ]);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe('the pictures of a Prometheus', () => {
  it('take rates over four of its scrapes of llm-cast, and are not those of the documents', async () => {
    const asked: string[] = [];
    const target = (job: string, scrapeInterval: string) => ({ labels: { job }, scrapeInterval });
    const prometheus = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://prometheus');
      asked.push(searchParams.get('query') ?? '');
      const data: Record<string, unknown> = {
        '/api/v1/series': [{ job: 'llm-cast' }],
        '/api/v1/targets': {
          activeTargets: [target('llm-cast', '1m30s'), target('other', '1h')],
        },
      };
      const answer = { status: 'success', data: data[pathname] ?? { result: [] } };
      response.end(JSON.stringify(answer));
    });
    await once(prometheus.listen(0, '127.0.0.1'), 'listening');
    const { port } = prometheus.address() as AddressInfo;
    const folder = await mkdtemp(join(tmpdir(), 'llm-cast-pictures-'));
    try {
      const args = [
        path('scripts/monitoring/draw.mjs'),
        `http://127.0.0.1:${port}`,
        '3600',
        folder,
      ];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const windows = asked.flatMap((query) => query.match(/\[\w+\]/g) ?? []);
      expect(new Set(windows)).toEqual(new Set(['[360s]']));
      expect(stdout.trim().split('\n')).toEqual(
        ['overview', 'line', 'upstreams', 'delivery', 'cluster'].map((row) =>
          join(folder, `monitoring-${row}.svg`),
        ),
      );
      expect(await readdir(folder)).toHaveLength(5);
    } finally {
      prometheus.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('the rules', () => {
  it('say what to do', () => {
    expect(rules.filter(({ annotations }) => (annotations.action ?? '').length < 40)).toEqual([]);
  });
});

describeIf(PROMETHEUS !== undefined, NO_PROMETHEUS)('with the tools of Prometheus', () => {
  it('the rules are well-formed', async () => {
    expect(await promtool('check', 'rules', RULES)).toContain(`SUCCESS: ${rules.length} rules`);
  });

  it('each alert fires where it should, and not before', async () => {
    expect(await promtool('test', 'rules', RULE_TESTS)).toContain('SUCCESS');
    const cases = (load(readFileSync(RULE_TESTS, 'utf8')) as RuleTests).tests.flatMap(
      ({ alert_rule_test: some }) => some,
    );
    for (const { alert } of rules) {
      const counts = cases
        .filter((one) => one.alertname === alert)
        .map((one) => one.exp_alerts.length);
      expect([alert, ...counts.sort((one, other) => one - other)]).toEqual([alert, 0, 1]);
    }
  });

  const [{ program, missing }] = ENGINES;
  describeIf(program !== undefined, missing)('a cluster that is scraped', () => {
    let redis: RedisServer;
    let upstream: ScriptedUpstream;
    let prometheus: Prometheus;
    const nodes: RunningServer[] = [];
    beforeAll(async () => {
      redis = await RedisServer.start(program ?? '');
      upstream = await ScriptedUpstream.start();
      const env = { METRICS: 'true', OLLAMA_BASE_URL: upstream.url, REDIS_URL: redis.url };
      for (let count = 0; count < 2; count++) nodes.push(await startApp(env));
      prometheus = await Prometheus.start(
        nodes.map(({ url }) => new URL(url).host),
        RULES,
      );
    });
    afterAll(async () => {
      await prometheus?.close();
      for (const node of nodes) await node.close();
      await upstream?.close();
      await redis?.close();
    });

    it('has every series that the dashboard and the rules name', async () => {
      const client = await Client.connect(nodes[0]!.socketUrl);
      const { generationId } = await client.accepted('generate', { prompt: 'why?' });
      const call = await upstream.nextCall();
      call.text('The').text(' sky').done();
      await client.ended(generationId);
      const report = { medianMs: 1, p95Ms: 2, cuts: 0, resumes: 0, whole: true };
      await client.accepted('report', { generationId, ...report });
      client.close();
      await prometheus.scraped();
      const missing: string[] = [];
      for (const name of series) {
        if ((await prometheus.query(`count({__name__="${name}"})`)).length === 0)
          missing.push(name);
      }
      expect(series.size).toBeGreaterThan(40);
      expect(missing).toEqual([]);
    });

    it('shows what all nodes share once: the line and the slots', async () => {
      const client = await Client.connect(nodes[0]!.socketUrl);
      const { generationId } = await client.accepted('generate', { prompt: 'why?' });
      const call = await upstream.nextCall();
      await client.accepted('generate', { prompt: 'and me?' });
      await prometheus.scraped();
      const shown = async (title: string): Promise<[string | undefined, string][]> => {
        const [target] = dashboard.panels.find((panel) => panel.title === title)?.targets ?? [];
        const samples = await prometheus.query(target?.expr ?? '');
        return samples.map(({ metric, value }) => [metric['state'], value[1]]);
      };
      expect(await shown('Waiting')).toEqual([[undefined, '1']]);
      expect(new Map(await shown('Slots'))).toEqual(
        new Map([
          ['used', '1'],
          ['free', '0'],
        ]),
      );
      call.done();
      await client.ended(generationId);
      (await upstream.nextCall()).done();
      client.close();
    });

    it('answers every query, and no alert fires while all is well', async () => {
      for (const query of queries) await prometheus.query(query);
      await until(async () => {
        const { groups } = (await prometheus.ask('rules')) as {
          groups: { rules: { health: string }[] }[];
        };
        return groups.flatMap((group) => group.rules).every(({ health }) => health === 'ok');
      });
      const { alerts } = (await prometheus.ask('alerts')) as {
        alerts: { labels: { alertname: string } }[];
      };
      const names = alerts.map(({ labels }) => labels.alertname);
      expect(names.filter((name) => !OF_SPEED.has(name))).toEqual([]);
    });

    it('gives metrics that promtool has nothing against', async () => {
      const text = await (await fetch(`${nodes[0]!.url}/metrics`)).text();
      const own = text.split('\n\n').filter((metric) => / (?:llm_cast|gen_ai)_/.test(metric));
      expect(await lint(`${own.join('\n')}\n`)).toBe('');
    });
  });
});
