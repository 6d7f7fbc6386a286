import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Caller } from '../access/caller.js';
import { type Session, Sessions } from '../access/sessions.js';
import { Config } from '../config/config.js';
import type { Asked } from '../generations/asked.js';
import type { Generation } from '../generations/generation.js';
import { Lifecycle } from '../generations/lifecycle.js';
import type { EndEntry } from '../generations/log/entry.js';
import type { DoorName } from '../generations/log/reader.js';
import { StreamedResponse, type Wording } from '../http/streamed-response.js';
import { notServed } from './refused.js';

/**
 * What becomes of a generation whose response the client closed: it is cancelled; or it goes on for
 * `ABANDON_AFTER_MS`; or to its end.
 */
export type OnDisconnect = 'cancel' | 'grace' | 'keep';

/**
 * So long a stream waits with its status for the first thing to say: a failure in this time has a
 * status of its own, as SDKs know it. In milliseconds; not while the request waits in line.
 */
export const HOLD_MS = 1_000;

/** An answer is written at once unless it is larger, in bytes. */
const LARGE_BYTES = 65_536;

const HEADER = 'x-llm-cast-on-disconnect';
/** What every answer of a door carries: with it the caller can go on through our own doors. */
export const ID_HEADER = 'x-llm-cast-generation-id';

/**
 * What a request wants to happen when its connection is closed.
 * @param usual what the clients of this door mean by it
 * @throws CastError `invalid_request`
 */
export function onDisconnectOf(request: Request, usual: OnDisconnect): OnDisconnect {
  const asked = request.get(HEADER);
  if (asked === undefined) return usual;
  if (asked === 'cancel' || asked === 'grace' || asked === 'keep') return asked;
  throw notServed(HEADER, 'cancel, grace or keep');
}

/** What is asked, to go on without a reader where that is wished; the rest of the wish its door fulfils. */
export function keptOn(asked: Asked, onDisconnect: OnDisconnect): Asked {
  return onDisconnect === 'keep' ? { ...asked, onDisconnect } : asked;
}

/** Gives a generation to the one who asked for it, until it ends or the caller has gone. */
@Injectable()
export class Delivery {
  private turn = Promise.resolve();

  constructor(
    private readonly lifecycle: Lifecycle,
    private readonly sessions: Sessions,
    private readonly config: Config,
  ) {}

  /** Streams it. */
  stream(
    generation: Generation,
    response: Response,
    caller: Caller,
    onDisconnect: OnDisconnect,
    wording: Wording,
  ): void {
    response.setHeader(ID_HEADER, generation.id);
    const onSlow = (): void => this.lifecycle.tell('slowReader', wording.door);
    const stream = StreamedResponse.open(response, this.config, generation, 0, wording, onSlow);
    let isBroken = false;
    const session = this.sessions.start(caller.principal, (reason) => {
      isBroken = true;
      stream?.break(reason);
    });
    whenClosed(response, () => {
      session.end();
      // Where the server has ended it, as the credential is no longer good, the answer goes on.
      if (!isBroken && onDisconnect === 'cancel') generation.giveUp();
    });
  }

  /**
   * Waits for its end; the caller counts as a reader so long. A token that expires meanwhile was good when
   * the request was made; one that is taken back is not.
   * @param door of the caller
   * @returns its last entry; undefined where the caller has gone before
   * @throws CastError `unauthorized` where the credential was taken back
   */
  async whole(
    generation: Generation,
    response: Response,
    { principal }: Caller,
    onDisconnect: OnDisconnect,
    door: DoorName,
  ): Promise<EndEntry | undefined> {
    // Nest's own for a POST is 201.
    response.status(200).setHeader(ID_HEADER, generation.id);
    const reader = generation.read({ door, ...WAITING }, generation.log.seq);
    let isBroken = false;
    const closed = new Promise<undefined>((resolve) => {
      whenClosed(response, () => {
        reader.leave();
        if (!isBroken && onDisconnect === 'cancel') generation.giveUp();
        resolve(undefined);
      });
    });
    let session: Session | undefined;
    const revoked = new Promise<never>((_resolve, reject) => {
      session = this.sessions.start(principal, (reason) => {
        if (reason.code !== 'unauthorized') return;
        isBroken = true;
        reject(reason);
      });
    });
    try {
      const end = await Promise.race([generation.ended, closed, revoked]);
      if (generation.log.size > LARGE_BYTES) await this.takeTurn();
      return response.closed ? undefined : end;
    } finally {
      session?.end();
      reader.leave();
    }
  }

  /** To write a large answer as a whole takes a while: of many that wait, one each time around the loop. */
  private takeTurn(): Promise<void> {
    this.turn = this.turn.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.turn;
  }
}

/** A reader that reads nothing: it is an audience. */
const WAITING = {
  writable: true,
  write: () => undefined,
  state: () => undefined,
  fail: () => undefined,
};

function whenClosed(response: Response, act: () => void): void {
  if (response.destroyed || response.closed) act();
  else response.once('close', act);
}
