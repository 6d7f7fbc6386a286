import { Controller, Get, Req } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../access/audit.js';
import { Config } from '../config/config.js';
import { Peers } from '../generations/peers.js';
import { clusterView, type ClusterView } from '../protocol/cluster-view.js';
import { CastError } from '../protocol/errors.js';
import { checkAdmin } from './authenticate.js';
import { Route } from './open-api.js';

/** The nodes, for operators. */
@Controller('llm/cluster')
export class ClusterController {
  constructor(
    private readonly peers: Peers,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  @Get()
  @Route({
    summary: 'The nodes that serve the same clients, as this one sees them',
    description: 'For operators; `not_found` on a process alone.',
    answers: { 200: clusterView },
    refuses: ['not_found'],
  })
  async cluster(@Req() request: Request): Promise<ClusterView> {
    checkAdmin(request, this.config, this.audit);
    const view = await this.peers.view();
    if (view === undefined) {
      throw new CastError('not_found', { message: 'This node is alone: it has no REDIS_URL.' });
    }
    return view;
  }
}
