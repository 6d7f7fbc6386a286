import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { ForeignRoutes } from '../../http/open-api.js';
import { chatBody, type ChatBody } from './chat-body.js';
import { Chats } from './chats.js';

/** What the transports of `useChat` ask for. docs/doors.md describes it. */
@ForeignRoutes()
@Controller('ai/chat')
export class AiSdkController {
  constructor(private readonly chats: Chats) {}

  @Post()
  start(
    @Body({ schema: chatBody }) body: ChatBody,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return this.chats.start(body, request, response);
  }

  @Get(':id/stream')
  resume(
    @Param('id') id: string,
    @Query('startIndex') startIndex: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    return startIndex === undefined
      ? this.chats.resume(id, request, response)
      : this.chats.resumeAt(id, startIndex, request, response);
  }

  @Post(':id/stop')
  @HttpCode(200)
  stop(@Param('id') id: string, @Req() request: Request): Promise<object> {
    return this.chats.stop(id, request);
  }
}
