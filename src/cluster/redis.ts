import { Logger } from '@nestjs/common';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { CastError } from '../protocol/errors.js';
import { defineScripts, runScript, type ScriptName } from './scripts.js';

/** Longest time for one command, in milliseconds. */
const COMMAND_TIMEOUT_MS = 1_000;
/** How long a connection may owe an answer before it is given up for a new one, in milliseconds. */
const SILENT_MS = 3_000;
/**
 * Pause before the first attempt to connect again, and the longest one; half of it is random. Shorter
 * than any lease: when Redis is back, a node is to beat before the others take it for dead.
 */
const RECONNECT_MS = 100;
const LONGEST_RECONNECT_MS = 300;
/** How a server begins that refuses to write as it is a replica. */
const DEMOTED = 'READONLY';
/** Most commands that wait for an answer; over it new ones are refused. */
export const MAX_OUTSTANDING = 10_000;

/**
 * The connections to Redis, or Valkey: one for commands and one for subscriptions. Nothing waits for a
 * connection and nothing is sent twice: whoever asks hears at once that Redis is away.
 */
export class RedisClient {
  private readonly commands: Redis | Cluster;
  private readonly subscriber: Redis | Cluster;
  private readonly logger = new Logger('Redis');
  private readonly listeners = new Map<string, (message: string) => void>();
  private outstanding = 0;
  private onAnswer: (op: string, ms: number) => void = () => undefined;
  private isClosed = false;
  private isResubscribing = false;
  /** Why the last command failed; undefined if it did not. */
  private trouble: string | undefined;

  /** @param urls one, or several of a Redis Cluster */
  constructor(
    urls: readonly string[],
    /** What all keys and channels begin with. */
    readonly prefix: string,
  ) {
    // The new primary does not hear of who has subscribed at the old one.
    this.commands = connect(urls, () => this.subscriber.disconnect(true));
    this.subscriber = connect(urls);
    for (const client of [this.commands, this.subscriber]) {
      // Without a listener ioredis writes each failed attempt to the console.
      client.on('error', (error: Error) => this.complain(error));
    }
    defineScripts(this.commands);
    this.subscriber.on('message', (channel: string, text: string) => this.hear(channel, text));
    this.subscriber.on('smessage', (channel: string, text: string) => this.hear(channel, text));
    this.subscriber.on('ready', () => void this.resubscribe());
  }

  /** Tries to connect, once; where that fails it goes on trying by itself. */
  async connect(): Promise<void> {
    const attempts = [this.commands, this.subscriber].map((client) => client.connect());
    await Promise.allSettled(attempts);
  }

  /** @param onBack called whenever the connection for commands is there again: Redis may have lost something */
  onReconnect(onBack: () => void): void {
    let wasThere = this.commands.status === 'ready';
    this.commands.on('ready', () => {
      if (wasThere) onBack();
      wasThere = true;
    });
  }

  /** @param onAnswer hears how long each command took, also where it failed; in milliseconds */
  time(onAnswer: (op: string, ms: number) => void): void {
    this.onAnswer = onAnswer;
  }

  /** @throws CastError `store_unavailable`, with what Redis said as its cause */
  async run(
    script: ScriptName,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.ask((client) => runScript(client, script, keys, args), script);
  }

  /** @throws CastError `store_unavailable`, with what Redis said as its cause */
  async ask<T>(command: (client: Redis | Cluster) => Promise<T>, op = 'command'): Promise<T> {
    if (this.outstanding >= MAX_OUTSTANDING) throw new CastError('store_unavailable');
    this.outstanding++;
    const from = performance.now();
    try {
      const answer = await command(this.commands);
      if (this.trouble !== undefined) this.logger.log('Redis answers again');
      this.trouble = undefined;
      return answer;
    } catch (cause) {
      this.complain(cause);
      throw new CastError('store_unavailable', { cause });
    } finally {
      this.outstanding--;
      this.onAnswer(op, performance.now() - from);
    }
  }

  /** @returns how many nodes heard it; undefined in a Redis Cluster, which counts those of one server */
  async publish(channel: string, message: string): Promise<number | undefined> {
    const heard = await this.ask(
      (client) => client.publish(this.prefix + channel, message),
      'publish',
    );
    return this.isCluster ? undefined : heard;
  }

  get isCluster(): boolean {
    return this.commands.isCluster;
  }

  /**
   * Hears a channel from now on, also after the connection was lost.
   * @param isSharded it lies where its hash tag lies, and only there
   * @throws CastError `store_unavailable`: it is subscribed when the connection is back
   */
  async subscribe(
    channel: string,
    onMessage: (message: string) => void,
    isSharded = false,
  ): Promise<void> {
    const name = this.prefix + channel;
    this.listeners.set((isSharded ? SHARDED : PLAIN) + name, onMessage);
    try {
      await (isSharded ? this.subscriber.ssubscribe(name) : this.subscriber.subscribe(name));
    } catch (cause) {
      throw new CastError('store_unavailable', { cause });
    }
  }

  async unsubscribe(channel: string, isSharded = false): Promise<void> {
    const name = this.prefix + channel;
    this.listeners.delete((isSharded ? SHARDED : PLAIN) + name);
    await (
      isSharded ? this.subscriber.sunsubscribe(name) : this.subscriber.unsubscribe(name)
    ).catch(() => undefined);
  }

  /** Hears every channel anew: a subscription may be deaf on a connection that is up. */
  async resubscribe(): Promise<void> {
    if (this.isResubscribing) return;
    this.isResubscribing = true;
    for (const key of this.listeners.keys()) {
      const name = key.slice(1);
      const again = key.startsWith(SHARDED)
        ? this.subscriber.ssubscribe(name)
        : this.subscriber.subscribe(name);
      await again.catch((error: unknown) => this.complain(error));
    }
    this.isResubscribing = false;
  }

  close(): void {
    this.isClosed = true;
    this.commands.disconnect();
    this.subscriber.disconnect();
  }

  private hear(channel: string, text: string): void {
    const listener = this.listeners.get(PLAIN + channel) ?? this.listeners.get(SHARDED + channel);
    try {
      listener?.(text);
    } catch (error) {
      this.logger.error(error);
    }
  }

  /** Says each trouble once, however often it is met. */
  private complain(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.isClosed || this.trouble === message) return;
    this.trouble = message;
    this.logger.warn('Redis is in trouble', { error: message });
  }
}

/** Marks of the two kinds of channels. */
const PLAIN = '=';
const SHARDED = '#';

/** @param onDemoted called when the server is no primary any more: it is connected to anew */
function connect(
  urls: readonly string[],
  onDemoted: () => void = () => undefined,
): Redis | Cluster {
  const options: RedisOptions = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SILENT_MS,
    retryStrategy: reconnectPause,
    // A failover does not close connections. Behind the address is the new primary by now, or soon.
    reconnectOnError: ({ message }) => {
      const isDemoted = message.startsWith(DEMOTED);
      if (isDemoted) onDemoted();
      return isDemoted;
    },
  };
  const [first = '', ...others] = urls;
  if (others.length === 0) return new Redis(first, options);
  const { username, password, protocol } = new URL(first);
  const isEncrypted = protocol === 'rediss:';
  return new Cluster([...urls], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectPause,
    shardedSubscribers: true,
    // A certificate is for a name: none is looked up before.
    ...(isEncrypted && { dnsLookup: (name, found) => found(null, name) }),
    redisOptions: {
      ...options,
      // Servers tell of others by their addresses alone.
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      ...(isEncrypted && { tls: {} }),
    },
  });
}

/** Spread, so that not all nodes come back at one moment. @param attempt 1, 2, … @returns milliseconds */
export function reconnectPause(attempt: number): number {
  const longest = Math.min(RECONNECT_MS * 2 ** (attempt - 1), LONGEST_RECONNECT_MS);
  return longest * (0.5 + Math.random() / 2);
}
