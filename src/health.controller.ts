import { Controller, Get, Res } from '@nestjs/common';
import type { Response } from 'express';
import { CastService } from './cast/cast.service.js';
import { GenerationsService } from './generations/generations.service.js';

interface Readiness {
  status: 'ok' | 'draining' | 'no_upstream';
}

@Controller('health')
export class HealthController {
  constructor(
    private readonly cast: CastService,
    private readonly generations: GenerationsService,
  ) {}

  /** The process answers. Says nothing of the upstream: a restart would not mend that. */
  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Whether to send requests here: 503 while draining and with no usable upstream. */
  @Get('ready')
  async ready(@Res({ passthrough: true }) response: Response): Promise<Readiness> {
    const status = await this.readiness();
    response.status(status === 'ok' ? 200 : 503);
    return { status };
  }

  private async readiness(): Promise<Readiness['status']> {
    if (!this.generations.accepting) return 'draining';
    return (await this.cast.usable()) ? 'ok' : 'no_upstream';
  }
}
