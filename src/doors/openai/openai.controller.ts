import { All, Body, Controller, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Models } from '../../generations/models.js';
import { callerOf } from '../../http/authenticate.js';
import { ForeignRoutes } from '../../http/open-api.js';
import { CastError } from '../../protocol/errors.js';
import { chatBody, type ChatBody } from './chat-body.js';
import { ChatCompletions } from './chat-completions.js';
import { modelAnswer, modelsAnswer } from './models.js';
import { responseBody, type ResponseBody } from './response-body.js';
import { Responses } from './responses.js';

/** What the clients of OpenAI ask for. docs/doors.md describes it; our own API documents do not. */
@ForeignRoutes()
@Controller('v1')
export class OpenAiController {
  constructor(
    private readonly chat: ChatCompletions,
    private readonly responses: Responses,
    private readonly listed: Models,
  ) {}

  @Post('chat/completions')
  createChat(
    @Body({ schema: chatBody }) body: ChatBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.chat.create(body, request, response);
  }

  @Post('responses')
  @HttpCode(200)
  createResponse(
    @Body({ schema: responseBody }) body: ResponseBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.responses.create(body, request, response);
  }

  @Get('responses/:id')
  readResponse(
    @Param('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.responses.read(id, request, response);
  }

  @Post('responses/:id/cancel')
  @HttpCode(200)
  cancelResponse(
    @Param('id') id: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.responses.cancel(id, request, response);
  }

  @Get('models')
  async models(@Req() request: Request): Promise<object> {
    return modelsAnswer(await this.listed.list(callerOf(request)));
  }

  // Names may have slashes.
  @Get('models/*id')
  async model(@Param('id') id: string | string[], @Req() request: Request): Promise<object> {
    const name = typeof id === 'string' ? id : id.join('/');
    return modelAnswer(await this.listed.list(callerOf(request)), name);
  }

  @All('completions')
  completions(): never {
    throw new CastError('not_found', {
      message: 'The old completions are not served here: use /v1/chat/completions.',
    });
  }
}
