// What is measured, in full and with `--quick`. Each part says for which rows, and how one run of it goes.
import { pins } from './processes.mjs';
import { OPENAI_ROWS } from './rig.mjs';
import {
  capacity,
  coldStart,
  halfCore,
  memory,
  openAi,
  overload,
  stall,
  starts,
  steady,
  storm,
} from './scenarios.mjs';

const ALL = ['llm-cast', 'tutorial', 'bare ws', 'http pipe', 'direct'];
const OURS = ['llm-cast'];
const NODES = ['one node', 'kept', 'read elsewhere', 'asked elsewhere'];

/** @typedef {{ rows: string[], rounds: number, run: (row: string) => Promise<object> }} Part */

/** @param peers also programs that have to be installed for it @returns {Record<string, Part>} */
export function plan(quick, peers) {
  const rounds = quick ? 1 : 3;
  const windowMs = quick ? 2_000 : 3_000;
  // Until the code that a token runs through is compiled.
  const warmMs = quick ? 1_500 : 4_000;
  const steadily = (rows, load) => ({
    rows,
    rounds,
    run: (row) => steady(row, { warmMs, windowMs, ...load }),
  });
  const carrying = {
    rate: 40,
    boundMs: 250,
    factor: 1.25,
    most: quick ? 125 : 3_000,
    warmMs,
    windowMs,
  };
  const few = quick ? ALL.slice(0, 2) : ALL;
  return {
    ...(!quick && { '100x40': steadily(ALL, { streams: 100, rate: 40 }) }),
    '500x40': steadily(ALL, { streams: 500, rate: 40, ...(quick && { perSecond: 1_000 }) }),
    nodes: {
      rows: NODES.slice(0, 3),
      rounds: quick ? 1 : 5,
      // Not as many cold starts a second as fill the core that all nodes share: the cadence would grow.
      run: (row) => steady(row, { warmMs, windowMs, streams: 200, rate: 25, perSecond: 100 }),
    },
    ...(!quick && {
      'starts of nodes': {
        rows: NODES,
        rounds,
        run: (row) => starts(row, { count: 600, spreadMs: 3_000 }),
      },
      '2000x20': steadily(ALL, { streams: 2_000, rate: 20 }),
      // A fast model. With a hundred streams the load generator would be the limit.
      '50x400': steadily(ALL.slice(0, 3), { streams: 50, rate: 400 }),
      '100x40x5': steadily(OURS, { streams: 100, rate: 40, readers: 5 }),
      memory: {
        rows: ['llm-cast', 'tutorial', 'bare ws'],
        rounds,
        run: (row) =>
          memory(row, { few: 300, many: 1_500, tokensPerSecond: 3_000, warmMs, windowMs }),
      },
    }),
    capacity: {
      rows: few.slice(0, 2),
      rounds,
      run: (row) => capacity(row, { ...carrying, from: quick ? 100 : 300, perSecond: 150 }),
    },
    'half core': {
      rows: pins ? few.slice(0, 2) : [],
      rounds,
      // Starts take what they take, so on half a core there are half as many a second, and more to warm up.
      run: (row) =>
        halfCore(row, {
          ...carrying,
          from: quick ? 50 : 150,
          perSecond: 60,
          warmMs: quick ? warmMs : 8_000,
        }),
    },
    starts: {
      rows: few.filter((row) => row !== 'direct'),
      rounds,
      run: (row) => starts(row, { count: quick ? 500 : 1_500, spreadMs: quick ? 1_000 : 3_000 }),
    },
    ...(!quick && {
      'warm starts': {
        rows: ['llm-cast', 'over the socket', 'tutorial', 'bare ws'],
        rounds,
        run: (row) => starts(row, { warm: 2_000, count: 1_000, spreadMs: 10_000 }),
      },
    }),
    openai: {
      rows: Object.keys(OPENAI_ROWS).filter((row) => peers || row !== 'litellm'),
      rounds,
      // LiteLLM has to carry it, too.
      run: (row) =>
        openAi(OPENAI_ROWS[row], {
          streams: 50,
          rate: 40,
          warmMs,
          windowMs,
          ...(!quick && { warm: 1_000 }),
          count: quick ? 50 : 400,
          spreadMs: quick ? 2_500 : 10_000,
        }),
    },
    'cold start': { rows: ['llm-cast', 'nest new'], rounds: quick ? 2 : 7, run: coldStart },
    storm: { rows: OURS, rounds: 1, run: () => storm({ sockets: quick ? 300 : 1_000, rate: 10 }) },
    stall: {
      rows: OURS,
      rounds: 1,
      run: () => stall({ streams: 200, rate: 20, pad: 1_000, windowMs: quick ? 1_500 : 3_000 }),
    },
    overload: {
      rows: OURS,
      rounds: 1,
      run: () => overload({ slots: 20, serviceMs: 200, seconds: quick ? 3 : 10 }),
    },
  };
}
