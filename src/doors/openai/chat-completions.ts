import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { GenerationsService } from '../../generations/generations.service.js';
import { callerOf } from '../../http/authenticate.js';
import { idempotencyKeyOf } from '../../http/idempotency-key.js';
import { actingAs } from '../acting.js';
import { Delivery, HOLD_MS, keptOn, onDisconnectOf } from '../delivery.js';
import { chatAnswer } from './chat-answer.js';
import type { ChatBody } from './chat-body.js';
import { ChatChunks } from './chat-chunks.js';
import { NAMES, chatRequest } from './chat-request.js';
import { started } from './checked.js';
import { comments, errorEvent, refuseEnd } from './sse.js';

/** `POST /v1/chat/completions`: starts a generation and gives it in the same response. */
@Injectable()
export class ChatCompletions {
  constructor(
    private readonly generations: GenerationsService,
    private readonly delivery: Delivery,
  ) {}

  /** @throws CastError what {@link GenerationsService.start} throws */
  async create(body: ChatBody, request: Request, response: Response): Promise<void> {
    const onDisconnect = onDisconnectOf(request, 'cancel');
    const asked = chatRequest(body);
    const field = body.user === undefined ? 'safety_identifier' : 'user';
    const caller = actingAs(callerOf(request), field, body.user ?? body.safety_identifier);
    const { generation } = await started(
      this.generations.start(keptOn(asked, onDisconnect), caller, idempotencyKeyOf(request)),
      NAMES,
    );
    if (body.stream === true) {
      const chunks = new ChatChunks(generation, body.stream_options?.include_usage === true);
      this.delivery.stream(generation, response, caller, onDisconnect, {
        door: 'openai',
        contentType: 'text/event-stream',
        holdMs: HOLD_MS,
        entry: (entry) => chunks.entry(entry),
        broken: errorEvent,
        refuse: (end) => refuseEnd(response, end),
        ...comments,
      });
      return;
    }
    const end = await this.delivery.whole(generation, response, caller, onDisconnect, 'openai');
    if (end === undefined || refuseEnd(response, end.said)) return;
    response.json(chatAnswer(generation));
  }
}
