import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Caller } from '../../access/caller.js';
import type { Generation } from '../../generations/generation.js';
import { GenerationsService } from '../../generations/generations.service.js';
import { callerOf } from '../../http/authenticate.js';
import { idempotencyKeyOf } from '../../http/idempotency-key.js';
import type { Wording } from '../../http/streamed-response.js';
import type { ChatFields } from '../../protocol/model-fields.js';
import { actingAs } from '../acting.js';
import { Delivery, HOLD_MS, ID_HEADER, keptOn, onDisconnectOf } from '../delivery.js';
import { notServed } from '../refused.js';
import type { ResponseBody } from './response-body.js';
import { withItems } from './item-references.js';
import { factsOf, responseOf } from './response-answer.js';
import { type ResponseEvent, ResponseEvents } from './response-events.js';
import { conversationOf, generationIdOf, noteOf } from './response-note.js';
import { NAMES, responseRequest } from './response-request.js';
import { started } from './checked.js';
import { comments, errorEvent, refuseEnd } from './sse.js';

/** What OpenAI's Responses API does: starts, reads, resumes and cancels responses. */
@Injectable()
export class Responses {
  constructor(
    private readonly generations: GenerationsService,
    private readonly delivery: Delivery,
  ) {}

  /** `POST /v1/responses`. @throws CastError what {@link GenerationsService.start} throws */
  async create(body: ResponseBody, request: Request, response: Response): Promise<void> {
    const onDisconnect = onDisconnectOf(request, body.background === true ? 'keep' : 'cancel');
    const field = body.user === undefined ? 'safety_identifier' : 'user';
    const caller = actingAs(callerOf(request), field, body.user ?? body.safety_identifier);
    const before = await this.before(body.previous_response_id, caller);
    const input = await withItems(body.input, (id, path) => this.ended(id, path, caller));
    const { asked, note } = responseRequest({ ...body, input }, before);
    const { generation } = await started(
      this.generations.start(keptOn(asked, onDisconnect), caller, idempotencyKeyOf(request), note),
      NAMES,
    );
    if (body.stream === true) {
      const events = wording(generation, -1);
      const refuse: Wording['refuse'] = (end) => refuseEnd(response, end);
      const held = { holdMs: HOLD_MS, refuse, ...events };
      return this.delivery.stream(generation, response, caller, onDisconnect, held);
    }
    if (body.background === true) {
      response.setHeader(ID_HEADER, generation.id);
      return void response.json(new ResponseEvents(factsOf(generation)).response('queued'));
    }
    const end = await this.delivery.whole(generation, response, caller, onDisconnect, 'openai');
    if (end === undefined || refuseEnd(response, end.said)) return;
    response.json(responseOf(generation));
  }

  /**
   * `GET /v1/responses/{id}`, with `?stream=true` its events.
   * @throws CastError `generation_not_found`, `invalid_request`, `rate_limited`
   */
  async read(id: string, request: Request, response: Response): Promise<void> {
    const caller = callerOf(request);
    const { stream, starting_after: after } = request.query;
    if (stream !== 'true' && stream !== '1') {
      const generation = await this.generations.get(generationIdOf(id), caller, 'read');
      noteOf(generation);
      response.setHeader(ID_HEADER, generation.id);
      return void response.json(responseOf(generation));
    }
    if (after !== undefined && !(typeof after === 'string' && /^\d{1,15}$/.test(after))) {
      throw notServed('starting_after', 'the sequence_number of an event');
    }
    // Each stream is made from the first entry on.
    const generation = await this.generations.readAfter('openai', generationIdOf(id), caller, 0);
    noteOf(generation);
    const events = wording(generation, after === undefined ? -1 : Number(after));
    this.delivery.stream(generation, response, caller, 'grace', events);
  }

  /**
   * `POST /v1/responses/{id}/cancel`: answers when the upstream request is over.
   * @throws CastError `generation_not_found`
   */
  async cancel(id: string, request: Request, response: Response): Promise<void> {
    const caller = callerOf(request);
    const generation = await this.generations.get(generationIdOf(id), caller, 'cancel');
    noteOf(generation);
    await generation.cancel();
    response.setHeader(ID_HEADER, generation.id);
    response.json(responseOf(generation));
  }

  /** The conversation that a request goes on from. @throws CastError `generation_not_found` */
  private async before(
    previous: string | undefined,
    caller: Caller,
  ): Promise<ChatFields['messages']> {
    if (previous === undefined) return [];
    const path = 'previous_response_id';
    return conversationOf(await this.ended(generationIdOf(previous), path, caller));
  }

  /**
   * The generation of a response that a request goes on from.
   * @param path of the field that names it
   * @throws CastError `generation_not_found`; `invalid_request` while it goes on
   */
  private async ended(id: string, path: string, caller: Caller): Promise<Generation> {
    const generation = await this.generations.get(id, caller, 'read');
    noteOf(generation);
    if (generation.log.end === undefined) throw notServed(path, 'that response has not ended');
    return generation;
  }
}

/** The events as a stream. @param after the last sequence number that the caller has; -1 = none */
function wording(generation: Generation, after: number): Wording {
  const events = new ResponseEvents(factsOf(generation));
  const text = (some: readonly ResponseEvent[]): string =>
    some
      .filter(({ sequence_number: number }) => number > after)
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      .join('');
  const opening = text(events.opening());
  return {
    door: 'openai',
    contentType: 'text/event-stream',
    unmerged: true,
    opening: () => opening,
    entry: (entry) => text(events.entry(entry)),
    broken: errorEvent,
    ...comments,
  };
}
