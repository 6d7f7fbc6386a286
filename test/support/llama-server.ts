import { type ChildProcess, spawn } from 'node:child_process';
import { freePort } from './free-port.js';
import { until } from './until.js';

const { LLAMA_SERVER, LLAMA_MODEL } = process.env;

/** What `describeIf` asks for. `.ci/run` brings both. */
export const REAL_MODEL = [
  LLAMA_SERVER !== undefined && LLAMA_MODEL !== undefined,
  'a real model is not tested, as LLAMA_SERVER (a llama-server) and LLAMA_MODEL (a GGUF file) are not set',
] as const;

interface Slot {
  is_processing: boolean;
}

/** A real llama-server with a real small model, computed by the processor. */
export class LlamaServer {
  /** What it wrote on its log. */
  output = '';
  private readonly exited: Promise<unknown>;

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    this.exited = new Promise((resolve) => child.once('close', resolve));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
  }

  /** Starts it and does not wait until it has loaded. @param args after `-m FILE`; `-c` is of all slots together */
  static async begin(args: string[] = [], port?: number): Promise<LlamaServer> {
    const at = port ?? (await freePort());
    const all = [
      '-m',
      LLAMA_MODEL!,
      '--host',
      '127.0.0.1',
      '--port',
      String(at),
      '--jinja',
      // Several threads wait for each other in loops, which takes most of the time of a busy machine.
      '--threads',
      '1',
      '--alias',
      'smollm2',
    ];
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    return new LlamaServer(spawn(LLAMA_SERVER!, [...all, ...args], { stdio }), at);
  }

  /** Starts it and waits until it has loaded its model. */
  static async start(args: string[] = [], port?: number): Promise<LlamaServer> {
    const server = await LlamaServer.begin(args, port);
    try {
      await until(async () => server.hasExited || (await server.isReady()));
      if (server.hasExited) throw new Error(`it ended: ${server.child.signalCode}`);
      return server;
    } catch (error) {
      await server.close();
      throw new Error(`llama-server did not start: ${server.output}`, { cause: error });
    }
  }

  private get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** What settings of an application that asks it, and nobody else, are. */
  get env(): Record<string, string> {
    return {
      OLLAMA_BASE_URL: '',
      OPENAI_BASE_URL: `http://127.0.0.1:${this.port}/v1`,
      OPENAI_MODEL: 'smollm2',
    };
  }

  /** Whether it has loaded its model; until then it answers 503. */
  async isReady(): Promise<boolean> {
    return (await this.statusOf('/health')) === 200;
  }

  /** The status of a GET; 0 where nobody listens yet. */
  async statusOf(path: string): Promise<number> {
    const answer = await fetch(this.at(path)).catch(() => undefined);
    return answer?.status ?? 0;
  }

  /** How many of its slots compute. */
  async busySlots(): Promise<number> {
    const answer = await fetch(this.at('/slots'));
    return ((await answer.json()) as Slot[]).filter(({ is_processing: busy }) => busy).length;
  }

  /** Ends it without a word, as the kernel does when memory is short. @returns its port */
  async kill(): Promise<number> {
    this.child.kill('SIGKILL');
    await this.exited;
    return this.port;
  }

  async close(): Promise<void> {
    await this.kill();
  }

  private at(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }
}
