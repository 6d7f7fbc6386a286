// `npm run build`: builds what has changed since the last build, and is silent unless something fails.
// `--all` builds everything. A part is known by a digest of all that goes into it.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PARTS } from './build-parts.mjs';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const STAMPS = `${ROOT}node_modules/.cache/llm-cast-build/`;
const run = promisify(execFile);
/** What goes into every part. */
const COMMON = ['package-lock.json', 'scripts/build.mjs', 'scripts/build-parts.mjs'];

const digests = new Map();
const building = new Map();

/** Digest of everything that a part is made of. */
function digestOf(name) {
  const known = digests.get(name);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  const add = (path) => {
    const full = ROOT + path;
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) {
      for (const entry of readdirSync(full).sort()) add(`${path}/${entry}`);
    } else if (!path.endsWith('.spec.ts'))
      hash.update(path).update('\0').update(readFileSync(full));
  };
  for (const input of [...PARTS[name].inputs, ...COMMON]) add(input);
  for (const before of PARTS[name].after) hash.update(digestOf(before));
  const digest = hash.digest('hex');
  digests.set(name, digest);
  return digest;
}

function isBuilt(name) {
  const stamp = STAMPS + name;
  return (
    !process.argv.includes('--all') &&
    existsSync(ROOT + PARTS[name].output) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === digestOf(name)
  );
}

/** Builds a part after those before it. Several that need nothing of each other are built at once. */
function build(name) {
  const known = building.get(name);
  if (known !== undefined) return known;
  const work = (async () => {
    await Promise.all(PARTS[name].after.map(build));
    if (isBuilt(name)) return;
    for (const args of PARTS[name].commands) await run('npm', args, { cwd: ROOT, maxBuffer: 1e8 });
    mkdirSync(STAMPS, { recursive: true });
    writeFileSync(STAMPS + name, digestOf(name));
  })();
  building.set(name, work);
  return work;
}

const missing = Object.keys(PARTS).filter((name) => !isBuilt(name));
if (missing.length > 0) {
  console.error(`building ${missing.join(', ')} …`);
  try {
    await Promise.all(Object.keys(PARTS).map(build));
  } catch (error) {
    console.error(`${error.stdout ?? ''}${error.stderr ?? ''}` || error);
    process.exitCode = 1;
  }
}
