import { Controller, Get, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Audit } from '../access/audit.js';
import { Config } from '../config/config.js';
import { checkAdmin } from '../http/authenticate.js';
import { Route } from '../http/open-api.js';
import { metricsText } from '../protocol/answers.js';
import { CastError } from '../protocol/errors.js';
import { MetricsService } from './metrics.service.js';

@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly service: MetricsService,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  @Get()
  @Route({
    summary: 'Metrics for Prometheus',
    description:
      'Only where the operator has set `METRICS`, and on this port unless there is another.',
    answers: { 200: metricsText },
    produces: 'text/plain',
    refuses: ['not_found'],
  })
  async metrics(@Req() request: Request, @Res() response: Response): Promise<void> {
    const metrics = this.service.onRest;
    if (metrics === undefined) throw new CastError('not_found');
    checkAdmin(request, this.config, this.audit);
    response.type(metrics.contentType).send(await metrics.text());
  }
}
