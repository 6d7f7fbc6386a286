import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { GenerationsService } from '../../generations/generations.service.js';
import type { End } from '../../generations/log/entry.js';
import { callerOf } from '../../http/authenticate.js';
import { idempotencyKeyOf } from '../../http/idempotency-key.js';
import { Delivery, HOLD_MS, keptOn, onDisconnectOf } from '../delivery.js';
import { answerRefused, refusedByEnd } from '../refused.js';
import { type Translated, warningOf } from './asked.js';
import { errorLine } from './error-line.js';
import { lineStream } from './line-stream.js';
import { wholeAnswer } from './whole-answer.js';

/** `POST /api/chat` and `/api/generate`: starts a generation and gives it in the same response. */
@Injectable()
export class OllamaAnswers {
  constructor(
    private readonly generations: GenerationsService,
    private readonly delivery: Delivery,
  ) {}

  /** @throws CastError what {@link GenerationsService.start} throws */
  async give(
    { asked, ignored }: Translated,
    isStream: boolean,
    request: Request,
    response: Response,
  ): Promise<void> {
    const onDisconnect = onDisconnectOf(request, 'cancel');
    const caller = callerOf(request);
    const { generation } = await this.generations.start(
      keptOn(asked, onDisconnect),
      caller,
      idempotencyKeyOf(request),
    );
    const warning = warningOf(ignored);
    if (warning !== undefined) response.setHeader('Warning', warning);
    if (isStream) {
      const refuse = (end: End): boolean => refuseEnd(response, end);
      const wording = { holdMs: HOLD_MS, refuse, ...lineStream(generation) };
      return this.delivery.stream(generation, response, caller, onDisconnect, wording);
    }
    const end = await this.delivery.whole(generation, response, caller, onDisconnect, 'ollama');
    if (end === undefined || refuseEnd(response, end.said)) return;
    response.json(wholeAnswer(generation));
  }
}

/** Answers with the failure of a generation that has said nothing, as Ollama does: with a status. */
function refuseEnd(response: Response, end: End): boolean {
  const refused = refusedByEnd(end);
  if (refused !== undefined) answerRefused(response, refused, errorLine(refused));
  return refused !== undefined;
}
