import { nowUs, sleep, sleepUntil } from './clock.mjs';
import { CORES, Process, takeHalfTheCore } from './processes.mjs';
import { Rig, ROWS } from './rig.mjs';

const MS = 1000;
/** Between the last preparation and the first request. */
const LEAD_US = 100 * MS;
const WARM_US = 1_000 * MS;
const TAIL_US = 300 * MS;

/** CPU that the server and the upstream took from `from` to `to`. */
async function between(rig, from, to) {
  await sleepUntil(from);
  const first = rig.cpu();
  await sleepUntil(to);
  const last = rig.cpu();
  return {
    serverUs: last.server - first.server,
    upstreamUs: last.upstream - first.upstream,
    cores: (last.server - first.server) / (last.at - first.at),
  };
}

/** A steady load: CPU a token, latency, memory of the process. */
export function steady(row, load, options) {
  const { streams, rate, readers = 1, warmMs, windowMs, perSecond = 500, lateMs } = load;
  return Rig.with(
    row,
    async (rig) => {
      await rig.connect(streams * readers);
      const begin = nowUs() + LEAD_US;
      const spreadUs = (streams / perSecond) * 1e6;
      const from = begin + spreadUs + warmMs * MS;
      const to = from + windowMs * MS;
      const prompt = JSON.stringify({ rate, until: to + TAIL_US });
      const plan = { count: streams, begin, spreadUs, prompt };
      const running = rig.client.ask('load', { ...plan, readers, from, to });
      const { serverUs, upstreamUs, cores } = await between(rig, from, to);
      const memory = rig.memory.now;
      const { tokens, p50, p99, firstToken, faults } = await running;
      return {
        ...(rig.servers.length > 0 && {
          norm: serverUs / upstreamUs,
          cpuUs: serverUs / tokens,
          memoryMb: memory / 1024 / 1024,
        }),
        cores,
        p50,
        p99,
        firstMs: firstToken.p50,
        tokensPerSecond: (tokens * MS) / windowMs,
        faults,
        rejected: await rig.lateness(from, to, lateMs),
      };
    },
    options,
  );
}

/**
 * What one more stream takes, its socket included: the difference of two loads of the same tokens a
 * second. What a process takes once, be it at its start or with its first load, is in neither. No
 * time is told, so a late upstream does no harm.
 */
export async function memory(row, { few, many, tokensPerSecond, ...load }) {
  const taken = async (streams) =>
    steady(row, { ...load, streams, rate: tokensPerSecond / streams });
  const [less, more] = [await taken(few), await taken(many)];
  return {
    kbPerStream: ((more.memoryMb - less.memoryMb) * 1024) / (many - few),
    faults: [...less.faults, ...more.faults],
  };
}

/**
 * Starts of answers of one token: CPU of each, and how soon the token is there.
 * @param warm so many come before, at 500 a second, and do not count: by then V8 has compiled the code
 */
export function starts(row, { warm = 0, count, spreadMs }, options) {
  return Rig.with(
    row,
    async (rig) => {
      await rig.connect(count);
      const some = (number, ms) =>
        rig.client.ask('load', {
          count: number,
          begin: nowUs() + LEAD_US,
          spreadUs: ms * MS,
          prompt: JSON.stringify({ tokens: 1 }),
        });
      const before = await some(warm, (warm * MS) / STARTS_A_SECOND);
      const first = rig.cpu();
      const { firstToken, accepted, faults } = await some(count, spreadMs);
      const last = rig.cpu();
      const serverUs = last.server - first.server;
      const norm = serverUs / (last.upstream - first.upstream);
      return {
        norm,
        cpuUs: serverUs / count,
        acceptedMs: accepted.p50,
        ...firstToken,
        faults: [...before.faults, ...faults],
      };
    },
    options,
  );
}
const STARTS_A_SECOND = 500;

/** OpenAI's stream in and out: CPU a token under a steady load, and how soon the first text is there. */
export async function openAi(row, { warm, count, spreadMs, ...load }) {
  const { memoryMb: _memory, ...said } = await steady(row, load);
  const first = await starts(row, { warm, count, spreadMs });
  return { ...said, firstMs: first.p50, faults: [...said.faults, ...first.faults] };
}

/**
 * How many streams one core carries with a lag that nobody minds: more and more, each step with
 * processes of its own, until p99 is over the bound. Then half as many again.
 * @returns `limit`: what ended it; of the load generator the server's own limit is above `streams`
 */
export async function capacity(row, { from, factor, most, boundMs, ...load }) {
  const step = (streams) => steady(row, { ...load, streams, lateMs: boundMs / 2 });
  let carried = { streams: 0, faults: [] };
  let limit = 'the most that is tried';
  for (let streams = from; streams <= most; streams = Math.round(streams * factor)) {
    const said = await step(streams);
    if (said.faults.length > 0) return { faults: said.faults };
    if (said.rejected.length > 0) limit = 'load generator';
    else if (said.p99 > boundMs) limit = 'lag';
    else {
      carried = { ...said, streams };
      continue;
    }
    break;
  }
  if (carried.streams === 0) return { faults: [], rejected: [`${limit} at the first step`] };
  const over = await step(Math.round(carried.streams * OVERLOAD));
  return {
    streams: carried.streams,
    limit,
    cpuUs: carried.cpuUs,
    p99: carried.p99,
    overP99: over.p99,
    overMb: over.memoryMb,
    faults: over.faults,
  };
}
const OVERLOAD = 1.5;

/** As {@link capacity}, of half a core: on a slow machine a whole one is more than the load generator's. */
export async function halfCore(row, load) {
  const other = takeHalfTheCore();
  try {
    return await capacity(row, load);
  } finally {
    other.kill();
  }
}

/** Nothing listens there: no upstream takes part in a start. */
const NOWHERE = 'http://127.0.0.1:1';

/** From the start of the process until it listens. */
export async function coldStart(row) {
  const { file, args } = ROWS[row] ?? { file: 'peers/nest-new.mjs' };
  const env = { PORT: '0', SOCKET_PORT: '0', OLLAMA_BASE_URL: NOWHERE };
  const server = await Process.start(file, { core: CORES.server, env, args });
  await server.stop();
  return { readyMs: server.readyMs, faults: [] };
}

/** All sockets cut at once in mid-stream; all resume. */
export function storm({ sockets, rate }) {
  return Rig.with('llm-cast', async (rig) => {
    await rig.connect(sockets);
    const begin = nowUs() + LEAD_US;
    const spreadUs = (sockets / 500) * 1e6;
    const cutAt = begin + spreadUs + 2 * WARM_US;
    const prompt = JSON.stringify({ rate, until: cutAt + 6e6 });
    const plan = { count: sockets, begin, spreadUs, prompt, cutAt };
    const running = rig.client.ask('storm', plan);
    await sleepUntil(cutAt - 50 * MS);
    const before = rig.memory.now;
    await sleepUntil(cutAt + 5e6);
    const { now: after, peak } = rig.memory;
    return { ...(await running), memoryMb: inMb({ before, peak, after }) };
  });
}

/** One socket among many that takes no byte: what the others and the memory feel of it. */
export function stall({ streams, rate, pad, windowMs }) {
  return Rig.with('llm-cast', async (rig) => {
    await rig.connect(streams + 1);
    const begin = nowUs() + LEAD_US;
    const spreadUs = (streams / 500) * 1e6;
    const from = begin + spreadUs + WARM_US;
    const to = from + windowMs * MS;
    const stallAt = to + 100 * MS;
    // By then the kernel's buffers are full, and the stalled socket is the server's concern.
    const from2 = stallAt + 3e6;
    const to2 = from2 + windowMs * MS;
    const prompt = JSON.stringify({ rate, pad, until: to2 + TAIL_US });
    const plan = { count: streams, begin, spreadUs, prompt, pad };
    const running = rig.client.ask('stall', { ...plan, from, to, stallAt, from2, to2 });
    await sleepUntil(stallAt - 50 * MS);
    const before = rig.memory.now;
    await sleepUntil(to2 - 50 * MS);
    const after = rig.memory.now;
    const said = await running;
    const rejected = await rig.lateness(from, to2);
    return { ...said, memoryMb: inMb({ before, after }), rejected };
  });
}

/** Slots of a fixed service time: what comes out at 150 % of what they can do, against 100 %. */
export function overload({ slots, serviceMs, seconds }, options) {
  const capacity = (slots * 1000) / serviceMs;
  const measure = async (rig) => {
    await rig.connect(slots * 5);
    const offered = async (share) => {
      const begin = nowUs() + LEAD_US;
      const total = seconds + WARM_SECONDS;
      const count = Math.round(capacity * share * total);
      const from = begin + WARM_SECONDS * 1e6;
      const to = begin + total * 1e6;
      const prompt = JSON.stringify({ serviceMs });
      const plan = { count, begin, spreadUs: total * 1e6, prompt, from, to };
      const said = await rig.client.ask('offer', plan);
      return { ...said, mostOpen: await rig.upstream.ask('mostOpen') };
    };
    const full = await offered(1);
    await sleep(500);
    const over = await offered(1.5);
    const faults = [...full.faults, ...over.faults];
    for (const { mostOpen } of [full, over]) {
      if (mostOpen > slots) faults.push(`${mostOpen} requests at an upstream of ${slots} slots`);
    }
    return { capacity, full, over, share: over.goodput / full.goodput, faults };
  };
  return Rig.with('llm-cast', measure, { ...options, env: { MAX_CONCURRENT: String(slots) } });
}
const WARM_SECONDS = 3;

const inMb = (bytes) =>
  Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, value / 1_048_576]));
