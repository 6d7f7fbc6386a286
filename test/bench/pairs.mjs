// node test/bench/pairs.mjs [--env NAME=VALUE] [--other dist/main.js] [--pairs 5] [--parts token,start]
// Parts: token, start (of a warm server), first start (of one that has just been started).
// Two servers at the same time on the same core, one of them with the settings or the build that is asked
// about: the machine's moods are the same for both. Says the CPU of the second as a share of the first.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ROWS } from './rig.mjs';
import { starts, steady } from './scenarios.mjs';

const { values: options } = parseArgs({
  options: {
    env: { type: 'string', multiple: true, default: [] },
    other: { type: 'string' },
    pairs: { type: 'string', default: '5' },
    parts: { type: 'string', default: 'token,start' },
  },
});
const env = Object.fromEntries(options.env.map((pair) => pair.split(/=(.*)/s)));
ROWS.other = { ...ROWS['llm-cast'], ...(options.other && { file: resolve(options.other) }) };

const PARTS = {
  // Fewer answers than those with which the cadence grows: else one of the two may slow down alone.
  token: (row, more) =>
    steady(row, { streams: 45, rate: 50, warmMs: 4_000, windowMs: 8_000 }, more),
  start: (row, more) => starts(row, { warm: 1_500, count: 1_000, spreadMs: 5_000 }, more),
  'first start': (row, more) => starts(row, { count: 1_000, spreadMs: 8_000 }, more),
};

for (const name of options.parts.split(',')) {
  const run = PARTS[name];
  const ratios = [];
  for (let pair = 0; pair < Number(options.pairs); pair++) {
    const both = [() => run('llm-cast', {}), () => run('other', { env })];
    // Who begins has no advantage in the end.
    const order = pair % 2 === 0 ? [0, 1] : [1, 0];
    const said = await Promise.all(order.map((at) => both[at]()));
    const [plain, asked] = order.map((at) => said[at]);
    const faults = [...plain.faults, ...asked.faults];
    if (faults.length > 0) console.error(`${name}: ${faults.join('; ')}`);
    else ratios.push(asked.cpuUs / plain.cpuUs);
  }
  ratios.sort((one, other) => one - other);
  const [low, median, high] = [0, Math.floor(ratios.length / 2), -1].map((at) => ratios.at(at));
  const shown = [median, low, high].map((ratio) => ratio?.toFixed(3));
  console.log(`CPU of a ${name}: ${shown[0]} (${shown[1]} to ${shown[2]}, ${ratios.length} pairs)`);
}
