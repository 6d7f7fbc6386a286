import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { NOBODY } from './app.js';
import { slowness } from './slowness.js';
import { until } from './until.js';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const MAIN = file('../../dist/main.js');
const PROBE = file('./probe.cjs');

/** An attack is judged by its best try: what a busy machine adds is not the attacker's. */
const TRIES = 5;
/** Longest that a neighbour may wait, in milliseconds. */
export const NEIGHBOUR_MS = 300;
/** What an attack may make the process hold, in bytes, for what it sent. */
export const mayHold = (sent: number): number => 4 * sent + 8 * 1_048_576;
/** An attacker is gone within that time, in milliseconds. */
export const CUT_MS = 2_000;

/** A process is at rest that has given back less than that, so many times, in milliseconds each. */
const REST_BYTES = 262_144;
const REST_MS = 100;
const RESTS = 2;

/** What an attack did to the process. */
export interface Damage {
  /** Bytes that it holds more than before, garbage left out. */
  held: number;
  /**
   * Longest that a neighbour waited for `/health/live`, in milliseconds of the server's own work, as a
   * machine does it that is not slow.
   */
  waited: number;
}

/** The built server in a process of its own, whose memory can be measured. */
export class Victim {
  url = '';
  socketUrl = '';
  /** All it wrote. */
  output = '';
  private readonly sockets = new Set<Socket>();

  /** Comes when there is an attack for the first time. */
  private neighbour: Worker | undefined;

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
  }

  static async start(env: Record<string, string | number> = {}): Promise<Victim> {
    if (!existsSync(MAIN)) throw new Error('run `npm run build` first: this tests dist/main.js');
    const given = { PORT: 0, SOCKET_PORT: 0, DRAIN_MS: 0, OLLAMA_BASE_URL: NOBODY };
    const child = spawn(process.execPath, ['--expose-gc', '--require', PROBE, MAIN], {
      cwd: tmpdir(),
      env: Object.fromEntries(
        Object.entries({ ...given, PATH: process.env['PATH'], ...env }).map(([name, value]) => [
          name,
          String(value),
        ]),
      ),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const victim = new Victim(child);
    const where = /REST on (http:\S+), Socket\.IO on (http:\S+)\/events/;
    await until(() => where.test(victim.output) || !victim.lives);
    const [, url, socketUrl] = where.exec(victim.output) ?? [];
    if (url === undefined || socketUrl === undefined) throw new Error(victim.output);
    return Object.assign(victim, { url, socketUrl });
  }

  get lives(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Bytes that it holds once it gives nothing back any more. */
  async heldAtRest(): Promise<number> {
    let least = await this.held();
    // What one collection makes free another one may give back: once is not enough.
    for (let rests = 0; rests < RESTS;) {
      await sleep(REST_MS);
      const now = await this.held();
      rests = least - now < REST_BYTES ? rests + 1 : 0;
      least = Math.min(least, now);
    }
    return least;
  }

  /** Bytes that it holds, garbage left out. */
  private async held(): Promise<number> {
    const said = once(this.child, 'message');
    this.child.send('');
    const [bytes] = (await said) as [number];
    return bytes;
  }

  /** A raw connection, to REST unless another URL is given; what comes is kept in `said`. */
  async connect(url = this.url): Promise<RawPeer> {
    const { port, hostname } = new URL(url);
    const socket = connect(Number(port), hostname);
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /**
   * Runs an attack beside a neighbour, and measures when it returns: it leaves open what it holds.
   * Runs it again, from the start, where the neighbour had to wait too long, or more is held than may
   * be: what a busy machine adds to one run is no damage.
   * @param mayBeHeld bytes; asked for when the attack is over
   */
  async under(attack: () => Promise<unknown>, mayBeHeld: () => number): Promise<Damage> {
    const best: Damage = { held: Infinity, waited: Infinity };
    for (let tries = 0; tries < TRIES; tries++) {
      const before = await this.heldAtRest();
      try {
        best.waited = Math.min(best.waited, await this.beside(attack));
        best.held = Math.min(best.held, (await this.heldAtRest()) - before);
      } finally {
        for (const socket of this.sockets) socket.destroy();
        this.sockets.clear();
      }
      if (best.waited < NEIGHBOUR_MS && best.held < mayBeHeld()) break;
    }
    return best;
  }

  /**
   * How long a neighbour waits under an attack that leaves nothing open, at its best try. What many
   * such attacks have left behind is measured once, with {@link heldAtRest}: that takes most of the time.
   */
  async waitUnder(attack: () => Promise<unknown>): Promise<number> {
    let best = Infinity;
    for (let tries = 0; tries < TRIES && best >= NEIGHBOUR_MS; tries++) {
      best = Math.min(best, await this.beside(attack));
    }
    return best;
  }

  /** How long a neighbour waited while an attack was made once. */
  private async beside(attack: () => Promise<unknown>): Promise<number> {
    const neighbour = (this.neighbour ??= new Worker(file('./neighbour.mjs'), {
      workerData: { url: `${this.url}/health/live`, pid: this.child.pid },
    }));
    neighbour.postMessage('come');
    try {
      await worstWait(neighbour);
      await attack();
      const computed = await worstWait(neighbour);
      return computed < NEIGHBOUR_MS ? computed : computed / slowness();
    } finally {
      neighbour.postMessage('go');
    }
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await this.neighbour?.terminate();
    if (!this.lives) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await closed;
  }
}

/** One end of a TCP connection, in the hands of an attacker. */
export class RawPeer {
  said = '';
  constructor(readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (text: string) => (this.said += text));
  }

  /** Sends, and resolves when the kernel has it all, or the connection is gone. */
  async send(bytes: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve());
      this.socket.write(bytes, () => resolve());
    });
  }

  /** Reads no more. */
  stop(): this {
    this.socket.pause();
    return this;
  }

  get isCut(): boolean {
    return this.socket.destroyed || this.socket.readableEnded;
  }

  /** Fails unless the server ends the connection soon. */
  cut(ms = CUT_MS): Promise<void> {
    return until(() => this.isCut, ms);
  }
}

async function worstWait(neighbour: Worker): Promise<number> {
  const said = once(neighbour, 'message');
  neighbour.postMessage('worst');
  const [ms] = (await said) as [number];
  return ms;
}
