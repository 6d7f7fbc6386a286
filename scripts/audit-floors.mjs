// Compares package-lock.json with the lowest versions that are safe to have. `npm run audit:floors [lock file]`
import { readFileSync } from 'node:fs';

/** The lowest version of each package, and what an older one lets a stranger do. */
const FLOORS = {
  ws: ['8.23.0', 'before it, each ping of a client that reads nothing was answered into memory'],
  'engine.io': ['6.4.2', 'before it, a malformed request ended the process'],
  'socket.io-parser': ['4.2.6', 'before it, a packet could announce attachments without a bound'],
  'body-parser': ['2.2.1', 'before it, an urlencoded body could block the event loop'],
  qs: ['6.14.1', 'before it, bracket notation passed the bound on array lengths'],
  'path-to-regexp': ['8.0.0', 'before it, a path could block the event loop'],
  multer: ['2.0.2', 'before it, a malformed form ended the process'],
  'form-data': ['4.0.4', 'before it, boundaries were predictable'],
  'follow-redirects': ['1.15.6', 'before it, a redirect was sent the credentials of another host'],
  axios: ['1.12.0', 'before it, a data: URL passed the bound on an answer'],
};

const lock = process.argv[2] ?? new URL('../package-lock.json', import.meta.url);
const { packages } = JSON.parse(readFileSync(lock, 'utf8'));
const tooOld = Object.entries(packages).flatMap(([path, { version }]) => {
  const name = path.split('node_modules/').at(-1);
  if (!Object.hasOwn(FLOORS, name)) return [];
  const [floor, why] = FLOORS[name];
  return isBelow(version, floor) ? [`${path} is ${version}, below ${floor}: ${why}.`] : [];
});
if (tooOld.length > 0) {
  console.error(tooOld.join('\n'));
  process.exitCode = 1;
}

/** Whether a version is older. A pre-release (`8.23.0-rc.1`) is older than what it leads to. */
function isBelow(version, floor) {
  const [numbers, preRelease] = version.split('-', 2);
  const ours = numbers.split('.').map(Number);
  const least = floor.split('.').map(Number);
  const at = ours.findIndex((number, index) => number !== least[index]);
  return at === -1 ? preRelease !== undefined : !(ours[at] > least[at]);
}
