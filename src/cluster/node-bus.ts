import { Logger } from '@nestjs/common';
import { z } from 'zod';
import type { PeerHandler } from '../generations/peers.js';
import { CastError, errorCode } from '../protocol/errors.js';
import type { Refusal } from '../protocol/refusal.js';
import { BUS_OF_ALL, busOf } from './keys.js';
import type { RedisClient } from './redis.js';

/** How long an answer may take, in milliseconds. */
const ANSWER_MS = 5_000;
/** Most questions without an answer; over it new ones are refused. */
export const MAX_QUESTIONS = 10_000;
const TOO_MANY = {
  message: 'Too many questions wait for other nodes; try again in a moment.',
};
/** Most characters of one message. */
const MAX_MESSAGE_CHARS = 32 * 1024 * 1024;

const envelope = z.union([
  /** A question; without `re` nobody waits for an answer. */
  z.looseObject({
    op: z.string(),
    re: z.string().optional(),
    no: z.int().optional(),
    message: z.unknown(),
  }),
  z.object({ no: z.int(), answer: z.unknown() }),
  z.object({ no: z.int(), error: z.looseObject({ code: errorCode, message: z.string() }) }),
]);

interface Question {
  resolve(answer: unknown): void;
  reject(error: CastError): void;
  timer: NodeJS.Timeout;
}

/** Questions between nodes, over a channel of each node and one of all. */
export class NodeBus {
  private readonly logger = new Logger('Bus');
  private readonly handlers = new Map<string, PeerHandler>();
  private readonly questions = new Map<number, Question>();
  private last = 0;

  constructor(
    private readonly redis: RedisClient,
    private readonly node: string,
  ) {}

  /** @throws CastError `store_unavailable`: it is heard when the connection is back */
  async open(): Promise<void> {
    const hear = (text: string): void => this.hear(text);
    await Promise.all([
      this.redis.subscribe(busOf(this.node), hear),
      this.redis.subscribe(BUS_OF_ALL, hear),
    ]);
  }

  on(op: string, handler: PeerHandler): void {
    this.handlers.set(op, handler);
  }

  /**
   * @throws CastError what the other node refused with; `node_lost` where it is gone;
   * `store_unavailable` where Redis is, no answer came in time, or {@link MAX_QUESTIONS} have none yet
   */
  async ask(node: string, op: string, message: unknown): Promise<unknown> {
    if (this.questions.size >= MAX_QUESTIONS) throw new CastError('store_unavailable', TOO_MANY);
    const no = ++this.last;
    const answer = new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(
        () => this.settle(no)?.reject(new CastError('store_unavailable')),
        ANSWER_MS,
      );
      this.questions.set(no, { resolve, reject, timer });
    });
    // The node that asked may have been refused before the answer comes.
    answer.catch(() => undefined);
    try {
      const heard = await this.send(busOf(node), { op, re: this.node, no, message });
      if (heard === 0) this.settle(no)?.reject(new CastError('node_lost'));
    } catch (error) {
      this.settle(no);
      throw error;
    }
    return answer;
  }

  /** Tells one node, or all, what nobody has to hear. */
  tell(node: string | undefined, op: string, message: unknown): void {
    const channel = node === undefined ? BUS_OF_ALL : busOf(node);
    this.send(channel, { op, from: this.node, message }).catch(() => undefined);
  }

  close(): void {
    for (const no of this.questions.keys()) this.settle(no)?.reject(new CastError('shutting_down'));
  }

  private async send(channel: string, message: object): Promise<number | undefined> {
    const text = JSON.stringify(message);
    if (text.length > MAX_MESSAGE_CHARS) throw new CastError('payload_too_large');
    return this.redis.publish(channel, text);
  }

  private hear(text: string): void {
    const said = envelope.safeParse(parse(text));
    if (!said.success) return this.logger.warn('a message that is none of ours');
    const { data } = said;
    if ('op' in data) {
      if (data['from'] !== this.node || data.op === 'echo') void this.handle(data);
    } else if ('error' in data) this.settle(data.no)?.reject(refused(data.error as Refusal));
    else this.settle(data.no)?.resolve(data.answer);
  }

  private async handle(said: Extract<z.infer<typeof envelope>, { op: string }>): Promise<void> {
    const { op, re, no } = said;
    let reply: object;
    try {
      const handler = this.handlers.get(op);
      if (handler === undefined) throw new CastError('internal');
      // The scripts of the line say it all at the top.
      reply = { no, answer: (await handler(said.message ?? said)) ?? null };
    } catch (error) {
      if (!(error instanceof CastError)) this.logger.error(error);
      const cast = error instanceof CastError ? error : new CastError('internal');
      reply = { no, error: cast.refusal() };
    }
    if (re !== undefined) await this.send(busOf(re), reply).catch(() => undefined);
  }

  private settle(no: number): Question | undefined {
    const question = this.questions.get(no);
    clearTimeout(question?.timer);
    this.questions.delete(no);
    return question;
  }
}

function refused({ code, message, retryable, retryAfterMs, details }: Refusal): CastError {
  return new CastError(code, {
    message,
    retryable,
    details,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
