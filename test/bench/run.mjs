// npm run bench [-- --quick] [--peers] [--only part,part] [--rows row,row] [--json file] [--svg]
import { mkdtempSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chart } from './chart.mjs';
import { plan } from './plan.mjs';
import { pins } from './processes.mjs';
import { summarize, tables } from './report.mjs';
import { SERVER_ENV } from './rig.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    peers: { type: 'boolean', default: false },
    only: { type: 'string' },
    rows: { type: 'string' },
    json: { type: 'string' },
    svg: { type: 'boolean', default: false },
  },
});
/** A run that does not count is done again, so often in all; a quick run has no time for it. */
const MAX_TRIES = options.quick ? 1 : 4;
const only = options.only?.split(',');
const rows = options.rows?.split(',');
const parts = Object.entries(plan(options.quick, options.peers)).filter(
  ([name]) => only?.includes(name) ?? true,
);
if (parts.length === 0) {
  const names = Object.keys(plan(options.quick, options.peers)).join(', ');
  throw new Error(`--only takes some of: ${names}`);
}

/** One run of a row; what is not counted is told and done again. */
async function measure(name, row, run) {
  for (let attempt = 1; ; attempt++) {
    const said = await run(row).catch((error) => ({ faults: [error.message] }));
    const why = [...said.faults, ...(said.rejected ?? [])].join('; ');
    if (why === '') return said;
    console.error(`${name}, ${row}: not counted (${why})`);
    // A token that llm-cast lost is no bad luck.
    if (row === 'llm-cast' && said.faults.length > 0) process.exitCode = 1;
    if (attempt === MAX_TRIES) return undefined;
  }
}

const started = performance.now();
const results = {};
for (const [name, part] of parts) {
  const measured = part.rows.filter((row) => rows?.includes(row) ?? true);
  const runs = Object.fromEntries(measured.map((row) => [row, []]));
  for (let round = 1; round <= part.rounds; round++) {
    for (const row of measured) {
      process.stderr.write(`${name} ${round}/${part.rounds} ${row}          \r`);
      const said = await measure(name, row, part.run);
      if (said !== undefined) runs[row].push(said);
    }
  }
  results[name] = runs;
}

const report = {
  date: new Date().toISOString(),
  machine: {
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    pinned: pins,
    os: `${platform()} ${release()} ${arch()}`,
    node: process.version,
  },
  environment: SERVER_ENV,
  seconds: Math.round((performance.now() - started) / 1000),
  summary: summarize(results),
  runs: results,
};
const file = options.json ?? join(mkdtempSync(join(tmpdir(), 'llm-cast-bench-')), 'bench.json');
writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
console.log(tables(report));
console.log(`${report.seconds} s; all runs are in ${file}`);
if (options.svg) {
  writeFileSync(
    fileURLToPath(new URL('../../docs/images/bench.svg', import.meta.url)),
    chart(report),
  );
}
