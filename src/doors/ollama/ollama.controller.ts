import { All, Body, Controller, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Observable } from 'rxjs';
import { Audit } from '../../access/audit.js';
import { Models } from '../../generations/models.js';
import { callerOf } from '../../http/authenticate.js';
import { ForeignRoutes } from '../../http/open-api.js';
import { CastError } from '../../protocol/errors.js';
import { notServed } from '../refused.js';
import { askedByChat, askedByGenerate } from './asked.js';
import { loadedOf, shownOf, tagsOf } from './model-answers.js';
import { OllamaAnswers } from './ollama-answers.js';
import {
  chatBody,
  type ChatBody,
  generateBody,
  type GenerateBody,
  showBody,
  type ShowBody,
} from './request.js';

/** What the clients of Ollama ask for. docs/doors.md describes it. */
@ForeignRoutes()
@Controller('api')
export class OllamaController {
  constructor(
    private readonly answers: OllamaAnswers,
    private readonly models: Models,
    private readonly audit: Audit,
  ) {}

  @Post('chat')
  chat(
    @Body({ schema: chatBody }) body: ChatBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const asked = this.audit.decide(callerOf(request), 'start', () => askedByChat(body));
    return this.answers.give(asked, body.stream ?? true, request, response);
  }

  @Post('generate')
  generate(
    @Body({ schema: generateBody }) body: GenerateBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const asked = this.audit.decide(callerOf(request), 'start', () => askedByGenerate(body));
    return this.answers.give(asked, body.stream ?? true, request, response);
  }

  @Get('tags')
  async tags(@Req() request: Request): Promise<object> {
    return tagsOf(await this.models.list(callerOf(request)));
  }

  @Get('ps')
  async ps(@Req() request: Request): Promise<object> {
    return loadedOf(await this.models.list(callerOf(request)));
  }

  @Get('version')
  version(@Req() request: Request): Observable<object> {
    return this.models.version(callerOf(request));
  }

  @Post('show')
  @HttpCode(200)
  async show(
    @Body({ schema: showBody }) { model, name }: ShowBody,
    @Req() request: Request,
  ): Promise<object> {
    const asked = model ?? name;
    if (asked === undefined) throw notServed('model', 'the name of a model');
    return shownOf(await this.models.show(callerOf(request), asked));
  }

  @All(['pull', 'push', 'create', 'copy', 'delete'])
  manage(@Req() request: Request): never {
    const { principal, requestId } = callerOf(request);
    const refused = new CastError('forbidden', {
      message: 'The models here are those of the operator: clients do not change them.',
    });
    throw this.audit.refused(refused, principal, { verb: 'pull', requestId });
  }

  @All(['embed', 'embeddings'])
  embed(): never {
    throw new CastError('not_found', { message: 'Embeddings are not served here.' });
  }
}
