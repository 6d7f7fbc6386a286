// Draws the rows of deploy/grafana/llm-cast.json out of a Prometheus's answers, as an SVG each:
// `node scripts/monitoring/draw.mjs PROMETHEUS_URL SECONDS FOLDER`. Grafana is not needed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = new URL('../../', import.meta.url);
/** Points of a curve, and least seconds that a rate is taken over. */
const POINTS = 120;
const LEAST_RATE_S = 15;
/** Prometheus's own, where it does not tell how often it scrapes. */
const USUAL_SCRAPE_S = 60;
const UNITS_S = { h: 3_600, m: 60, s: 1, ms: 0.001 };
const [WIDTH, HEIGHT, GAP, LEGEND] = [320, 120, 24, 14];
/** Most curves of a panel that the legend names. */
const NAMED = 6;
const COLOURS = ['#0969da', '#bf8700', '#1a7f37', '#cf222e', '#8250df', '#57606a'];

/**
 * Draws all rows.
 * @param seconds how long before now the pictures begin
 * @param folder where they go
 */
export async function draw(url, seconds, folder) {
  const { panels } = JSON.parse(
    readFileSync(new URL('deploy/grafana/llm-cast.json', ROOT), 'utf8'),
  );
  const rows = new Map();
  let row;
  for (const panel of panels) {
    if (panel.type === 'row') rows.set((row = panel.title), []);
    else rows.get(row).push(panel);
  }
  const end = Date.now() / 1000;
  // Four scrapes, as Grafana takes it: over fewer a rate may have no two values to compare.
  const rate = Math.max(LEAST_RATE_S, 4 * (await scrapeSeconds(url, end - seconds, end)));
  mkdirSync(folder, { recursive: true });
  const files = [];
  for (const [title, some] of rows) {
    const drawn = [];
    for (const panel of some) {
      drawn.push({ panel, curves: await curvesOf(url, panel, rate, end - seconds, end) });
    }
    const file = join(folder, `monitoring-${title.toLowerCase()}.svg`);
    writeFileSync(file, svgOf(title, drawn, seconds));
    files.push(file);
  }
  return files;
}

/** How often this Prometheus scrapes llm-cast, in seconds; where jobs differ, the rarest. */
async function scrapeSeconds(url, start, end) {
  const range = new URLSearchParams({ 'match[]': 'llm_cast_log_bytes', start, end });
  const jobs = new Set((await ask(url, `series?${range}`)).map(({ job }) => job));
  const { activeTargets } = await ask(url, 'targets?state=active');
  const all = activeTargets
    .filter(({ labels, scrapeInterval }) => jobs.has(labels.job) && scrapeInterval !== undefined)
    .map(({ scrapeInterval }) => secondsOf(scrapeInterval));
  return all.length > 0 ? Math.max(...all) : USUAL_SCRAPE_S;
}

/** @param duration as Prometheus writes it: `1m30s` */
function secondsOf(duration) {
  const parts = [...duration.matchAll(/([\d.]+)(ms|[hms])/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS_S[unit], 0);
}

/** @param path below `/api/v1/` */
async function ask(url, path) {
  const { status, data, error } = await (await fetch(`${url}/api/v1/${path}`)).json();
  if (status !== 'success') throw new Error(`${path}: ${error}`);
  return data;
}

async function curvesOf(url, { targets }, rate, start, end) {
  const curves = [];
  for (const { expr, legendFormat } of targets) {
    const query = expr.replaceAll('$__rate_interval', `${Math.ceil(rate)}s`);
    const step = Math.max(1, (end - start) / POINTS);
    const range = new URLSearchParams({ query, start, end, step });
    const { result } = await ask(url, `query_range?${range}`);
    for (const { metric, values } of result) {
      const name = legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '');
      const points = values.map(([at, value]) => [Number(at), Number(value)]);
      curves.push({
        name: name.trim(),
        points: points.filter(([, value]) => Number.isFinite(value)),
      });
    }
  }
  return curves.filter(({ points }) => points.length > 0);
}

function svgOf(title, drawn, seconds) {
  const legend = (NAMED / 2) * LEGEND;
  const cell = HEIGHT + legend + 44;
  const width = 3 * (WIDTH + GAP) + GAP;
  const height = Math.ceil(drawn.length / 3) * cell + GAP;
  const body = drawn.map(({ panel, curves }, at) => {
    const x = GAP + (at % 3) * (WIDTH + GAP);
    const y = GAP + Math.floor(at / 3) * cell;
    return `<g transform="translate(${x},${y})">${panelOf(panel, curves, seconds)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<style>text{font:11px system-ui,sans-serif;fill:#24292f}.title{font-size:12px;font-weight:600}.axis{stroke:#8c959f;stroke-width:.5;fill:none}.curve{fill:none;stroke-width:1.5}</style>
<rect width="100%" height="100%" fill="#fff"/>
${body.join('\n')}
</svg>
`;
}

function panelOf({ title, fieldConfig }, curves, seconds) {
  const unit = fieldConfig.defaults.unit;
  const all = curves.flatMap(({ points }) => points);
  const top = Math.max(...all.map(([, value]) => value), 0) || 1;
  const last = Math.max(...all.map(([at]) => at), 0);
  const place = ([at, value]) =>
    `${(WIDTH - ((last - at) / seconds) * WIDTH).toFixed(1)},${(HEIGHT - (value / top) * (HEIGHT - 4)).toFixed(1)}`;
  const lines = curves.map(
    ({ points }, at) =>
      `<polyline class="curve" stroke="${COLOURS[at % COLOURS.length]}" points="${points.map(place).join(' ')}"/>`,
  );
  const names = curves.slice(0, NAMED).map(({ name, points }, at) => {
    const x = (at % 2) * (WIDTH / 2);
    const y = HEIGHT + 18 + Math.floor(at / 2) * LEGEND;
    const text = `${name} ${shown(points.at(-1)[1], unit)}`;
    return `<text x="${x}" y="${y}" style="fill:${COLOURS[at % COLOURS.length]}">${escaped(text)}</text>`;
  });
  return (
    `<text class="title" y="-6">${escaped(title)}</text>` +
    `<path class="axis" d="M0 0V${HEIGHT}H${WIDTH}"/>` +
    `<text x="${WIDTH}" y="-6" text-anchor="end">${shown(top, unit)}</text>` +
    (all.length === 0 ? `<text x="8" y="${HEIGHT / 2}">nothing happened</text>` : '') +
    lines.join('') +
    names.join('')
  );
}

function shown(value, unit) {
  if (unit === 'bytes')
    return value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${Math.round(value / 1e3)} kB`;
  if (unit === 's' && value < 1) return `${Number((value * 1000).toPrecision(3))} ms`;
  const number = Number(value.toPrecision(3));
  return unit === 's' ? `${number} s` : unit === 'ops' ? `${number}/s` : String(number);
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const usual = join(tmpdir(), 'llm-cast-monitoring');
  const [, , url = 'http://127.0.0.1:9090', seconds = '3600', folder = usual] = process.argv;
  console.log((await draw(url, Number(seconds), folder)).join('\n'));
}
