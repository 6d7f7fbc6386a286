import { Controller, Get, type MessageEvent, Req, Res, Sse } from '@nestjs/common';
import type { Request, Response } from 'express';
import { map, type Observable, take, timer } from 'rxjs';
import { Config } from '../config/config.js';
import { CastService } from '../cast/cast.service.js';
import { Peers } from '../generations/peers.js';
import { GenerationsService } from '../generations/generations.service.js';
import { isServed } from './authenticate.js';
import { Route } from './open-api.js';
import { liveness, type Liveness, readiness, type Readiness } from '../protocol/answers.js';

/** What `stream` sends: enough to tell an even flow from a lump. */
const EVENTS = 5;
const SPACING_MS = 200;

@Controller('health')
export class HealthController {
  constructor(
    private readonly cast: CastService,
    private readonly generations: GenerationsService,
    private readonly peers: Peers,
    private readonly config: Config,
  ) {}

  /** The process answers. Says nothing of the upstream: a restart would not mend that. */
  @Get('live')
  @Route({ summary: 'Whether the process answers', answers: { 200: liveness } })
  live(): Liveness {
    return { status: 'ok' };
  }

  /** Whether to send requests here: 503 while draining, with no usable upstream, and while the nodes cannot reach what they share. */
  @Get('ready')
  @Route({
    summary: 'Whether to send requests here',
    answers: { 200: readiness, 503: readiness },
  })
  async ready(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Readiness> {
    if (!this.generations.accepting) {
      response.status(503);
      return { status: 'draining', upstreams: [] };
    }
    if (this.peers.isCutOff) {
      response.status(503);
      return { status: 'no_store', upstreams: [] };
    }
    const upstreams = await this.cast.health();
    const isUsable = upstreams.some(({ reachable }) => reachable);
    response.status(isUsable ? 200 : 503);
    return {
      status: isUsable ? 'ok' : 'no_upstream',
      upstreams: isServed(request, this.config) ? upstreams : [],
    };
  }

  /** A caller that gets them all at once has something in between that holds answers back. */
  @Sse('stream')
  @Route({
    summary: 'Whether events arrive when they are sent',
    description: `The answer of \`/health/live\` as ${EVENTS} Server-Sent Events, ${SPACING_MS} ms apart. No model is asked.`,
    answers: { 200: liveness },
    produces: 'text/event-stream',
  })
  stream(): Observable<MessageEvent> {
    return timer(0, SPACING_MS).pipe(
      take(EVENTS),
      map(() => ({ data: this.live() })),
    );
  }
}
