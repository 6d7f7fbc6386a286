import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Caller } from '../../access/caller.js';
import type { GenerationVerb } from '../../access/authorise.js';
import type { Generation } from '../../generations/generation.js';
import { GenerationsService } from '../../generations/generations.service.js';
import { callerOf } from '../../http/authenticate.js';
import { idempotencyKeyOf } from '../../http/idempotency-key.js';
import { CastError } from '../../protocol/errors.js';
import { generationId } from '../../protocol/ids.js';
import { actingAs } from '../acting.js';
import { Delivery, keptOn, onDisconnectOf } from '../delivery.js';
import { notServed } from '../refused.js';
import { askedBy, messagesOf } from './asked.js';
import type { ChatBody } from './chat-body.js';
import { frameStream, framesSoFar } from './frame-stream.js';
import { messageOf, noteOf } from './note.js';

/** The waiting line as data, which the default transport hands to `onData`. */
const QUEUE_HEADER = 'x-llm-cast-queue';

/** The answers of chats: started, resumed, stopped. A client that goes away means to come back. */
@Injectable()
export class Chats {
  constructor(
    private readonly generations: GenerationsService,
    private readonly delivery: Delivery,
  ) {}

  /** @throws CastError what {@link GenerationsService.start} throws */
  async start(body: ChatBody, request: Request, response: Response): Promise<void> {
    const onDisconnect = onDisconnectOf(request, body.onDisconnect ?? 'grace');
    const caller = actingAs(callerOf(request), 'userId', body.userId);
    const asked = askedBy(body);
    const { generation } = await this.generations.start(
      keptOn(asked, onDisconnect),
      caller,
      idempotencyKeyOf(request),
      noteOf(messagesOf(body)),
      body.id,
    );
    const { messageId } = messageOf(generation);
    const queueAsData = request.get(QUEUE_HEADER) === 'data';
    setStreamHeaders(response, generation);
    const wording = frameStream(generation, { messageId, queueAsData });
    this.delivery.stream(generation, response, caller, onDisconnect, wording);
  }

  /**
   * The whole answer that goes on in a chat, from its beginning; 204 where none does.
   * @param id of the chat
   */
  async resume(id: string, request: Request, response: Response): Promise<void> {
    const caller = readerOf(request);
    const generation = await this.find(id, caller, 'read').catch(absentIfNotFound);
    if (generation === undefined || generation.log.end !== undefined) {
      return void response.status(204).end();
    }
    await this.generations.readAfter('ai-sdk', generation.id, caller, 0);
    const { messageId, earlier } = messageOf(generation);
    const queueAsData = request.get(QUEUE_HEADER) === 'data';
    setStreamHeaders(response, generation);
    const wording = frameStream(generation, { messageId, before: earlier, queueAsData });
    this.delivery.stream(generation, response, caller, 'grace', wording);
  }

  /**
   * The frames of an answer from an index on; a negative one counts from the last.
   * @param id of the answer; or of its chat
   * @throws CastError `generation_not_found`; `invalid_request` behind the end of what has ended
   */
  async resumeAt(
    id: string,
    startIndex: unknown,
    request: Request,
    response: Response,
  ): Promise<void> {
    const caller = readerOf(request);
    const generation = await this.find(id, caller, 'read');
    if (typeof startIndex !== 'string' || !/^-?\d{1,15}$/.test(startIndex))
      throw notServed('startIndex', 'a whole number');
    const index = Number(startIndex);
    const count = framesSoFar(generation);
    if (generation.log.end !== undefined && index >= count) {
      throw notServed('startIndex', `this answer has ended and has ${count} frames`);
    }
    const skip = index < 0 ? Math.max(0, count + index) : index;
    if (skip === 0) await this.generations.readAfter('ai-sdk', generation.id, caller, 0);
    setStreamHeaders(response, generation);
    response.setHeader('x-workflow-stream-tail-index', count - 1);
    const { messageId } = messageOf(generation);
    const wording = frameStream(generation, { messageId, skip });
    this.delivery.stream(generation, response, caller, 'grace', wording);
  }

  /**
   * Cancels the answer of a chat; one that has ended stays as it is.
   * @param id of the chat, or of the answer
   * @returns how it ended, when the upstream request is over
   * @throws CastError `generation_not_found`
   */
  async stop(id: string, request: Request): Promise<{ generationId: string; state: string }> {
    const generation = await this.find(id, readerOf(request), 'cancel');
    const { said } = await generation.cancel();
    return { generationId: generation.id, state: said.state };
  }

  /** @throws CastError `generation_not_found` */
  private async find(id: string, caller: Caller, verb: GenerationVerb): Promise<Generation> {
    if (!generationId.safeParse(id).success)
      return this.generations.get({ name: id }, caller, verb);
    // A chat may have an id that looks like one of ours.
    const found = await this.generations.get(id, caller, verb).catch(absentIfNotFound);
    return found ?? this.generations.get({ name: id }, caller, verb);
  }
}

/** The caller as it acts for the user whom a backend names in the address: these have no body. */
function readerOf(request: Request): Caller {
  const { userId } = request.query;
  return actingAs(callerOf(request), 'userId', typeof userId === 'string' ? userId : undefined);
}

function absentIfNotFound(error: unknown): undefined {
  if (error instanceof CastError && error.code === 'generation_not_found') return undefined;
  throw error;
}

/** What tells the clients that this is their stream, and by which id it is resumed. */
function setStreamHeaders(response: Response, { id }: Generation): void {
  response.setHeader('x-vercel-ai-ui-message-stream', 'v1');
  response.setHeader('x-workflow-run-id', id);
}
