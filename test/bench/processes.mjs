import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What is measured has a core of its own, where there are two; load and upstream share the other. */
export const CORES = { load: 0, server: 1 };
export const pins = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0;
const READY_MS = 20_000;
/** A program of Python imports for long. */
const FOREIGN_READY_MS = 120_000;
const POLL_MS = 100;
const ANSWER_MS = 120_000;
const GOODBYE_MS = 3_000;

/** Longer than one search for a capacity takes. */
const HALF_MS = 1_200_000;
/** Takes its share of the server's core until it is killed. @returns {import('node:child_process').ChildProcess} */
export function takeHalfTheCore() {
  const spin = `for (const end = Date.now() + ${HALF_MS}; Date.now() < end;);`;
  const command = [String(CORES.server), process.execPath, '-e', spin];
  return spawn('taskset', ['-c', ...command], { stdio: 'ignore' });
}

/** A process of the benchmark; one of Node is ready when it has printed where it listens. */
export class Process {
  /** Where it listens: the URLs of the line it printed, without their paths. */
  urls = [];
  /** Time from its start until then. */
  readyMs = 0;
  #questions = new Map();
  #child;

  /**
   * @param {string} file relative to this folder
   * @param {object} options `command`: a program in place of Node and the file, which is ready when
   * `url` answers `readyPath`
   */
  static async start(file, { core, env = {}, args = [], command, url, readyPath }) {
    const started = performance.now();
    const process = new Process(file, core, env, args, command);
    if (command === undefined) await process.#ready();
    else await process.#answers(url, readyPath);
    process.readyMs = performance.now() - started;
    return process;
  }

  constructor(file, core, env, args, foreign) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const command = foreign === undefined ? [process.execPath, ...args, path] : [foreign, ...args];
    if (pins) command.unshift('taskset', '-c', String(core));
    this.name = file;
    this.#child = spawn(command[0], command.slice(1), {
      env: { PATH: process.env.PATH, ...env },
      // Away from anybody's .env file.
      cwd: tmpdir(),
      stdio: foreign === undefined ? ['ignore', 'pipe', 'inherit', 'ipc'] : 'ignore',
    });
    this.#child.on('message', ({ id, answer, error }) => {
      const question = this.#questions.get(id);
      this.#questions.delete(id);
      if (error === undefined) question?.resolve(answer);
      else question?.reject(new Error(`${file}: ${error}`));
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** CPU time so far, in µs. */
  get cpuUs() {
    return cpuUsOf(this.pid);
  }

  /** Resident memory now and at its highest, in bytes. */
  get memory() {
    const status = read(`/proc/${this.pid}/status`);
    const field = (name) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
    return { now: field('VmRSS'), peak: field('VmHWM') };
  }

  /** Asks one of the questions it serves. */
  ask(question, options = {}) {
    const id = `${question} ${Math.random()}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.name} did not answer ${question}`)),
        ANSWER_MS,
      );
      const settled = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      this.#questions.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.#child.send({ id, question, options });
    });
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), GOODBYE_MS);
    await gone;
    clearTimeout(timer);
  }

  async #answers(url, path) {
    let why = '';
    this.#child.once('exit', (code) => (why = `ended with ${code}`));
    this.#child.once('error', ({ message }) => (why = message));
    const until = performance.now() + FOREIGN_READY_MS;
    while (
      !(await fetch(url + path).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      if (performance.now() > until) why = 'was not ready in time';
      if (why !== '') {
        this.#child.kill('SIGKILL');
        throw new Error(`${this.name} ${why}`);
      }
      await sleep(POLL_MS);
    }
    this.urls = [url];
  }

  #ready() {
    return new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`${this.name} ${why}`));
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL');
        fail('was not ready in time');
      }, READY_MS);
      this.#child.once('exit', (code) => fail(`ended with ${code}`));
      let said = '';
      this.#child.stdout.on('data', (bytes) => {
        if (this.urls.length > 0) return;
        said += bytes;
        const line = /^.*\bon http:.*$/m.exec(said)?.[0];
        if (line === undefined) return;
        clearTimeout(timer);
        this.urls = line.match(/http:\/\/[\d.]+:\d+/g);
        resolve();
      });
    });
  }
}

/** CPU time of all threads of a process so far, in µs, as the scheduler counts it. */
export function cpuUsOf(pid) {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]);
  }
  return ns / 1000;
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // A thread that has just ended.
    return '0';
  }
}
