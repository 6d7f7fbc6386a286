import { Body, Controller, Delete, Get, HttpCode, Param, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../access/audit.js';
import { DEFAULT_TENANT, partsOf, type Principal } from '../access/principal.js';
import { Revocations, type Revoked as Target } from '../access/revocations.js';
import { Sessions } from '../access/sessions.js';
import { Config } from '../config/config.js';
import { GenerationsService } from '../generations/generations.service.js';
import {
  adminGenerations,
  type AdminGenerations,
  revokeBody,
  type RevokeBody,
  revoked,
  type Revoked,
} from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';
import { generationId } from '../protocol/ids.js';
import { checkAdmin, principalOf } from './authenticate.js';
import { Route } from './open-api.js';

/** What an operator may do, whosever it is. Prompts and answers are not among it. */
@Controller('admin')
export class AdminController {
  constructor(
    private readonly generations: GenerationsService,
    private readonly revocations: Revocations,
    private readonly sessions: Sessions,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  @Get('generations')
  @Route({ summary: 'What waits and runs, for whom', answers: { 200: adminGenerations } })
  listAll(@Req() request: Request): AdminGenerations {
    this.check(request);
    return {
      generations: this.generations.all().map(({ generation }) => ({
        generationId: generation.id,
        state: generation.state,
        model: generation.model,
        ...(generation.owner !== undefined && partsOf(generation.owner)),
        seq: generation.log.seq,
      })),
    };
  }

  @Delete('generations/:id')
  @HttpCode(204)
  @Route({
    summary: 'Cancel a generation, whosever it is',
    parameters: { id: generationId },
    answers: { 204: null },
    refuses: ['generation_not_found'],
  })
  async cancelAny(@Param('id') id: string, @Req() request: Request): Promise<void> {
    this.check(request);
    const life = this.generations.all().find(({ generation }) => generation.id === id);
    if (life === undefined) throw new CastError('generation_not_found');
    this.audit.write('cancel', principalOf(request), { generationId: id, address: request.ip });
    await life.generation.cancel();
  }

  @Post('revoke')
  @HttpCode(200)
  @Route({
    summary: 'Take back credentials, and close what is open with them',
    description: 'Kept in memory until the longest token is over. Take keys out of the file too.',
    answers: { 200: revoked },
  })
  async revoke(
    @Body({ schema: revokeBody }) body: RevokeBody,
    @Req() request: Request,
  ): Promise<Revoked> {
    this.check(request);
    const principal = principalOf(request);
    const target = targetOf(body, principal);
    const before = body.before === undefined ? Date.now() : Date.parse(body.before);
    this.revocations.add(target, Math.floor(before / 1000));
    this.audit.write('revoke', principal, { revoked: target, address: request.ip });
    const closed = this.sessions.closeRevoked();
    if (!body.cancel) return { closed, cancelled: 0 };
    const theirs = this.generations.all().filter(({ caller }) => isMeant(target, caller.principal));
    await Promise.all(theirs.map(({ generation }) => generation.cancel()));
    return { closed, cancelled: theirs.length };
  }

  private check(request: Request): void {
    try {
      checkAdmin(request, this.config);
    } catch (error) {
      const address = request.ip;
      throw this.audit.refused(error, principalOf(request), { verb: 'admin', address });
    }
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

/** Whether what runs was asked for by, or for, who is meant. */
function isMeant(target: Target, principal: Principal): boolean {
  if ('key' in target) return principal.kind === 'key' && principal.keyId === target.key;
  if ('jti' in target) return principal.kind === 'user' && principal.token?.id === target.jti;
  if (principal.kind !== 'user' && principal.kind !== 'key') return false;
  const user = principal.kind === 'user' ? principal.sub : principal.userId;
  return principal.tenant === target.tenant && user === target.sub;
}
