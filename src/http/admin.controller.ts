import { Body, Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../access/audit.js';
import { DEFAULT_TENANT, type Principal } from '../access/principal.js';
import type { Revoked as Target } from '../access/revocations.js';
import { Config } from '../config/config.js';
import {
  adminGenerations,
  type AdminGenerations,
  revokeBody,
  type RevokeBody,
  revoked,
  type Revoked,
} from '../protocol/access.js';
import { generationId } from '../protocol/ids.js';
import { Administration } from './administration.js';
import { checkAdmin, principalOf } from './authenticate.js';
import { Route } from './open-api.js';

/** What an operator may do, whosever it is. Prompts and answers are not among it. */
@Controller('admin')
export class AdminController {
  constructor(
    private readonly administration: Administration,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  @Get('generations')
  @Route({ summary: 'What waits and runs, for whom', answers: { 200: adminGenerations } })
  async listAll(@Req() request: Request): Promise<AdminGenerations> {
    this.check(request);
    return this.administration.list();
  }

  @Delete('generations/:id')
  @HttpCode(204)
  @Route({
    summary: 'Cancel a generation, whosever it is',
    parameters: { id: generationId },
    answers: { 204: null },
    refuses: ['generation_not_found', 'store_unavailable'],
  })
  async cancelAny(@Param('id') id: string, @Req() request: Request): Promise<void> {
    this.check(request);
    await this.administration.cancel(id);
    this.audit.write('cancel', principalOf(request), { generationId: id, address: request.ip });
  }

  @Post('revoke')
  @HttpCode(200)
  @Route({
    summary: 'Take back credentials, and close what is open with them',
    description: 'On all nodes, until the longest token is over. Take keys out of the file too.',
    answers: { 200: revoked },
    refuses: ['store_unavailable'],
  })
  async revoke(
    @Body({ schema: revokeBody }) body: RevokeBody,
    @Req() request: Request,
  ): Promise<Revoked> {
    this.check(request);
    const principal = principalOf(request);
    const target = targetOf(body, principal);
    const before = body.before === undefined ? Date.now() : Date.parse(body.before);
    this.audit.write('revoke', principal, { revoked: target, address: request.ip });
    return this.administration.revoke(target, Math.floor(before / 1000), body.cancel);
  }

  private check(request: Request): void {
    checkAdmin(request, this.config, this.audit);
  }
}

function targetOf({ key, tenant, sub, jti }: RevokeBody, principal: Principal): Target {
  if (key !== undefined) return { key };
  if (sub !== undefined) {
    const own = 'tenant' in principal ? principal.tenant : DEFAULT_TENANT;
    return { tenant: tenant ?? own, sub };
  }
  return { jti: jti ?? '' };
}
