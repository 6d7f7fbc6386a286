// The synthetic upstream: answers like Ollama, or like OpenAI at /v1, one write a token, each token due at a time on a grid of
// 1 ms. The prompt says what to send, so that it passes through every relay:
//   {"rate": 40, "until": µs}   tokens 25 ms apart until that time
//   {"tokens": 1}               so many at once, at least one: the head goes with it
//   {"serviceMs": 200}          one token, and the end after so long: a slot of fixed service time
// It never waits for a slow reader, so a relay that falls behind cannot slow the schedule down. What is due
// goes to the socket by one write, as a chunk made here: through node:http it took 40 % more CPU, of a core
// that it shares with the load client.
import { createServer } from 'node:http';
import { nowUs, percentile } from './clock.mjs';
import { serve } from './ipc.mjs';
import { piece } from './piece.mjs';

const TICK_US = 1000;
const HEAD = '{"model":"bench","created_at":"2026-01-02T03:04:05.678901Z","response":"';
const CHUNK =
  'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767323045,"model":"bench","choices":[{"index":0,"delta":{';
/** What stands around a token's text, and the last words. */
const OLLAMA = {
  type: 'application/x-ndjson',
  head: HEAD,
  tail: '","done":false}\n',
  last: `${HEAD}","done":true,"done_reason":"stop","eval_count":1,"eval_duration":1000000}\n`,
};
const OPENAI = {
  type: 'text/event-stream',
  head: `${CHUNK}"content":"`,
  tail: '"},"finish_reason":null}]}\n\n',
  last: `${CHUNK}},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`,
};

/** For each period in ticks: for each phase, the streams whose token is due then. */
const wheel = new Map();
/** How late each tick was, and which: `[due, late, due, late, …]`. */
let lateness = [];
const cell = new Int32Array(new SharedArrayBuffer(4));
let streams = 0;
let arrivals = 0;
let nextTick = 0;
let finishing = false;
let open = 0;
let mostOpen = 0;

class Stream {
  constructor(response, { until = 0, pad = 0 }, form) {
    this.response = response;
    this.form = form;
    this.socket = response.socket;
    /** A client of HTTP/1.0 takes the lines as they are. */
    this.isChunked = response.req.httpVersion === '1.1';
    this.until = until;
    this.filler = 'x'.repeat(pad);
    this.index = 0;
  }

  /** @returns {boolean} whether there is more to come */
  write(due) {
    if (this.socket.destroyed) return false;
    if (due >= this.until || finishing) {
      this.response.end(this.form.last);
      return false;
    }
    const line = this.line(due);
    const bytes = this.isChunked ? `${line.length.toString(16)}\r\n${line}\r\n` : line;
    this.socket.write(bytes, 'latin1');
    return true;
  }

  line(due) {
    return `${this.form.head}${piece(this.index++, due)}${this.filler}${this.form.tail}`;
  }
}

/**
 * Sleeps to the next tick and writes what is due. A timer of Node can be 1 ms late, hence the wait in
 * place; the event loop turns once a tick.
 */
function tick() {
  const left = nextTick - nowUs();
  if (left > 0) Atomics.wait(cell, 0, 0, left / 1000);
  for (; nextTick <= nowUs(); nextTick += TICK_US) {
    lateness.push(nextTick, nowUs() - nextTick);
    for (const [period, phases] of wheel) {
      const phase = (nextTick / TICK_US) % period;
      const kept = phases[phase].filter((stream) => stream.write(nextTick));
      streams -= phases[phase].length - kept.length;
      phases[phase] = kept;
    }
  }
  if (streams > 0) setImmediate(tick);
}

function enter(stream, rate) {
  const period = Math.round(1e6 / TICK_US / rate);
  if (!wheel.has(period)) {
    wheel.set(
      period,
      Array.from({ length: period }, () => []),
    );
  }
  // One after the other, so that every tick has the same number to send.
  wheel.get(period)[arrivals++ % period].push(stream);
  if (streams++ > 0) return;
  nextTick = Math.ceil(nowUs() / TICK_US) * TICK_US;
  setImmediate(tick);
}

function answer(response, prompt, form) {
  const script = JSON.parse(prompt);
  const stream = new Stream(response, script, form);
  open++;
  mostOpen = Math.max(mostOpen, open);
  response.once('close', () => open--);
  response.writeHead(200, { 'Content-Type': form.type });
  for (let token = 0; token < (script.tokens ?? 1); token++) {
    response.write(stream.line(nowUs()));
  }
  if (script.rate !== undefined) return enter(stream, script.rate);
  if (script.serviceMs === undefined) response.end(form.last);
  else setTimeout(() => response.end(form.last), script.serviceMs);
}

const known = {
  '/api/version': { version: '0.0.0-bench' },
  '/api/tags': { models: [{ name: 'bench', model: 'bench', size: 1 }] },
  '/api/ps': { models: [] },
  '/v1/models': { object: 'list', data: [{ id: 'bench', object: 'model' }] },
};

const server = createServer((request, response) => {
  if (request.url in known) {
    response.end(JSON.stringify(known[request.url]));
    return;
  }
  let body = '';
  request.on('data', (bytes) => (body += bytes));
  request.on('end', () => {
    const { prompt, messages } = JSON.parse(body);
    if (messages === undefined) answer(response, prompt, OLLAMA);
    else answer(response, messages.at(-1).content, OPENAI);
  });
});

serve({
  /** How late the ticks from `from` to `to` were, in ms. */
  lateness({ from, to }) {
    const late = [];
    for (let at = 0; at < lateness.length; at += 2) {
      if (lateness[at] >= from && lateness[at] < to) late.push(lateness[at + 1] / 1000);
    }
    return { p99: percentile(late, 0.99), max: percentile(late, 1) };
  },
  /** Ends every stream now. */
  finish() {
    finishing = true;
  },
  mostOpen() {
    const most = mostOpen;
    mostOpen = open;
    return most;
  },
});
server.listen(0, '127.0.0.1', () => console.log(`on http://127.0.0.1:${server.address().port}`));
