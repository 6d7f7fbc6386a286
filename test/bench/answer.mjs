import { createHash } from 'node:crypto';
import { nowUs } from './clock.mjs';
import { dueOf, indexOf, PIECE_CHARS } from './piece.mjs';

/** What a client has seen of all its answers: latencies, and what was wrong. */
export class Tally {
  /** Of each token that was due in the window: ms from then to its arrival. */
  latencies = [];
  /** Tokens that arrived in the window, and in all. */
  arrived = 0;
  tokens = 0;
  /** From each request to its first token, in ms. */
  firstTokens = [];
  /** From each request to its answer, the 201, in ms. */
  accepted = [];
  faults = [];

  constructor({ from = 0, to = 0, pad = 0 } = {}) {
    this.from = from;
    this.to = to;
    this.pieceChars = PIECE_CHARS + pad;
  }

  fault(what) {
    if (this.faults.length < 5) this.faults.push(what);
  }
}

/**
 * One answer as a client applies it, and the judge of it: every token once, in order, and at the end
 * the text is the one whose checksum the server gives.
 */
export class Answer {
  /** Last applied seq; only llm-cast numbers its records. */
  last = 0;
  /** The terminal record, once there is one. */
  terminal;
  isEnded = false;
  ended = new Promise((resolve) => (this.resolveEnded = resolve));
  #text = '';
  #next = 0;

  constructor(tally) {
    this.tally = tally;
    this.requestedAt = nowUs();
  }

  /** A record of llm-cast: `from ?? seq` up to the last applied is a repeat, behind a gap a loss. */
  record(record) {
    const { seq, from = seq } = record;
    if (this.terminal !== undefined) this.tally.fault(`seq ${seq} behind the terminal record`);
    else if (seq <= this.last) this.tally.fault(`seq ${seq} repeated`);
    else this.#apply(record, from);
  }

  #apply(record, from) {
    const { seq } = record;
    if (from !== this.last + 1) this.tally.fault(`seq ${from} after ${this.last}`);
    this.last = seq;
    if ('state' in record) this.#close(record);
    else this.text(record.response);
  }

  #close(record) {
    this.terminal = record;
    if (record.state !== 'completed') this.tally.fault(`${record.state} ${record.code}`);
    const sha256 = createHash('sha256').update(this.#text).digest('hex');
    if (record.sha256 !== sha256) this.tally.fault('sha256 differs');
    this.end();
  }

  /** A line of the upstream, as the other relays pass it on. */
  line({ response, done, error }) {
    if (error !== undefined) this.tally.fault(error);
    if (response !== undefined) this.text(response);
    if (done === true) this.end();
  }

  text(text) {
    if (text === '') return;
    const { tally } = this;
    const now = nowUs();
    if (this.#next === 0) tally.firstTokens.push((now - this.requestedAt) / 1000);
    for (let at = 0; at < text.length; at += tally.pieceChars) {
      const index = indexOf(text, at);
      if (index !== this.#next) tally.fault(`token ${index} where ${this.#next} was due`);
      this.#next = index + 1;
      const due = dueOf(text, at);
      const latency = (now - due) / 1000;
      tally.tokens++;
      if (due >= tally.from && due < tally.to) tally.latencies.push(latency);
      if (now >= tally.from && now < tally.to) tally.arrived++;
    }
    this.#text += text;
  }

  end() {
    this.isEnded = true;
    this.resolveEnded();
  }
}
