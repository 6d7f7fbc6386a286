import { setTimeout as pause } from 'node:timers/promises';
import { Answer, Fault, PATIENCE_MS, type Sent } from './answer.js';
import type { Protocol, Seen, Wish } from './protocol.js';
import type { Act, ScriptedUpstream } from './scripted-upstream.js';
import type { UpstreamAnswer } from './upstream-answer.js';

export interface Examined {
  /** The clients' address, without a trailing slash. */
  url: string;
  protocol: Protocol;
  model: string;
  /** The credential that the server under test asks for. */
  token: string | undefined;
  /** How long the model is silent in the point that is about it, in milliseconds. */
  silenceMs: number;
}

/** A request to the server under test, and what its upstream does. */
export class Asked {
  /** What went wrong in the upstream's part. */
  private failed: unknown;
  private readonly upstreams: UpstreamAnswer[] = [];
  readonly answer: Answer;
  readonly wish: Wish;

  constructor(
    private readonly examination: Examination,
    upstream: ScriptedUpstream,
    wish: Partial<Wish>,
    act: (upstream: UpstreamAnswer, asked: Asked) => void | Promise<void>,
    send?: (wish: Wish) => Omit<Sent, 'headers'>,
  ) {
    const script: Act = async (upstreamAnswer) => {
      this.upstreams.push(upstreamAnswer);
      this.answer.changed();
      try {
        await act(upstreamAnswer, this);
      } catch (error) {
        this.failed = error;
        this.answer.close();
      }
    };
    const { model, protocol } = examination.examined;
    const prompt = upstream.script(script);
    this.wish = { model, prompt, isStreamed: true, withTools: false, ...wish };
    this.answer = examination.send(send?.(this.wish) ?? protocol.ask(this.wish));
  }

  /** What a client has seen so far. @throws Fault for what is so odd that client libraries fail too */
  get seen(): Seen {
    try {
      return this.examination.examined.protocol.read(this.answer);
    } catch (error) {
      throw new Fault(`what no client can read (${String(error)})${this.answer.excerpt()}`);
    }
  }

  /** Waits until a client shows this text. @throws Fault */
  shows(text: string): Promise<void> {
    return this.answer.until(() => this.seen.text === text, `text ${JSON.stringify(text)}`);
  }

  /** Waits for the upstream to be asked. @throws Fault */
  async upstream(): Promise<UpstreamAnswer> {
    const first = (): UpstreamAnswer | undefined => this.upstreams[0];
    await this.answer.until(() => first() !== undefined, 'request at the upstream');
    return first()!;
  }

  /** Waits for the end. @returns what a client has seen @throws Fault */
  async over(): Promise<Seen> {
    const { answer } = this;
    await answer.until(() => answer.ending !== 'open', 'end');
    if (this.failed !== undefined) throw this.failed;
    return this.seen;
  }

  /** Lets go of both sides. */
  end(): void {
    this.answer.close();
    for (const upstream of this.upstreams) upstream.cut();
  }
}

/** What the points of an examination do with the server under test. */
export class Examination {
  private readonly asked: Asked[] = [];
  private readonly over = new AbortController();

  constructor(
    readonly examined: Examined,
    private readonly upstream: ScriptedUpstream,
  ) {}

  /**
   * Asks, and lets the upstream answer so.
   * @param send makes the request, where it is not the protocol's usual one
   */
  ask(
    wish: Partial<Wish>,
    act: (upstream: UpstreamAnswer, asked: Asked) => void | Promise<void>,
    send?: (wish: Wish) => Omit<Sent, 'headers'>,
  ): Asked {
    const asked = new Asked(this, this.upstream, wish, act, send);
    this.asked.push(asked);
    return asked;
  }

  /** Asks for something that is no answer of the model. */
  send({ url, ...rest }: Omit<Sent, 'headers'>): Answer {
    const { url: base, token } = this.examined;
    const headers: Record<string, string> = {};
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    return new Answer({ ...rest, url: `${base}${url}`, headers });
  }

  /** The whole answer to a request. @throws Fault */
  async fetch(sent: Omit<Sent, 'headers'>): Promise<Answer> {
    const answer = this.send(sent);
    await answer.until(() => answer.ending !== 'open', 'answer');
    return answer;
  }

  /** Waits for the upstream's request to be over. @throws Fault */
  async closed(upstream: UpstreamAnswer, why: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const said = `the upstream is still asked ${PATIENCE_MS / 1000} s after ${why}`;
      timer = setTimeout(() => reject(new Fault(said)), PATIENCE_MS);
    });
    await Promise.race([upstream.closed, late]).finally(() => clearTimeout(timer));
  }

  /** Waits for so long, in milliseconds. @throws when the examination ends before */
  pause(ms: number): Promise<void> {
    return pause(ms, undefined, { signal: this.over.signal });
  }

  end(): void {
    this.over.abort();
    for (const asked of this.asked.splice(0)) asked.end();
  }
}
