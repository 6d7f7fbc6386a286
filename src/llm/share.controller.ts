import { Body, Controller, Get, Header, Param, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../access/audit.js';
import { scopesOf } from '../access/authorise.js';
import { keyOf, ownerOf, partsOf, type Principal } from '../access/principal.js';
import { TokenMaker } from '../access/token-maker.js';
import { UsageLimits } from '../access/usage-limits.js';
import { Config } from '../config/config.js';
import { GenerationsService } from '../generations/generations.service.js';
import { callerOf, principalOf } from '../http/authenticate.js';
import { Route } from '../http/open-api.js';
import {
  me,
  type Me,
  shareAnswer,
  type ShareAnswer,
  shareBody,
  type ShareBody,
} from '../protocol/access.js';
import { generationId } from '../protocol/ids.js';

/** What a caller may do, and links by which others may read what it has. */
@Controller('llm')
export class ShareController {
  constructor(
    private readonly generations: GenerationsService,
    private readonly tokens: TokenMaker,
    private readonly usage: UsageLimits,
    private readonly audit: Audit,
    private readonly config: Config,
  ) {}

  @Get('me')
  @Header('Cache-Control', 'no-store')
  @Route({
    summary: 'The caller: its name, its rights, and what is left of its limits',
    answers: { 200: me },
    refuses: ['store_unavailable'],
  })
  async me(@Req() request: Request): Promise<Me> {
    const principal = principalOf(request);
    return {
      ...describe(principal),
      scopes: [...scopesOf(principal)],
      limits: this.usage.limitsOf(principal),
      left: await this.usage.left(principal),
    };
  }

  @Post('generations/:id/share')
  @Header('Cache-Control', 'no-store')
  @Route({
    summary: 'Make a link to one generation',
    parameters: { id: generationId },
    answers: { 201: shareAnswer },
    refuses: ['generation_not_found', 'store_unavailable'],
  })
  async share(
    @Param('id') id: string,
    @Body({ schema: shareBody }) { verbs, ttl = Infinity }: ShareBody,
    @Req() request: Request,
  ): Promise<ShareAnswer> {
    const caller = callerOf(request);
    const { principal, requestId } = caller;
    const { owner } = await this.generations.get(id, caller, 'share');
    // Nobody gives away what he may not do himself.
    for (const verb of verbs) await this.generations.get(id, caller, verb);
    const { tenant, sub } = partsOf(owner ?? ownerOf(principal) ?? '');
    const seconds = Math.min(ttl, Math.ceil(this.config.RETAIN_MS / 1000));
    const by = {
      tenant,
      sub: sub === '' ? undefined : sub,
      madeBy: keyOf(principal),
      sharedWith: principal.kind === 'user' ? principal.token : undefined,
    };
    const link = await this.tokens.link(id, verbs, by, seconds);
    this.audit.write('share', principal, { generationId: id, requestId });
    const origin = `${request.protocol}://${request.get('host') ?? ''}`;
    return { ...link, url: `${origin}${this.config.BASE_PATH}/llm/generations/${id}` };
  }
}

function describe(principal: Principal): Pick<Me, 'kind'> & Partial<Me> {
  switch (principal.kind) {
    case 'key':
      return { kind: 'key', tenant: principal.tenant, key: principal.keyId };
    case 'user': {
      const { tenant, sub, models, token } = principal;
      return {
        kind: 'user',
        tenant,
        sub,
        ...(models !== undefined && { models: [...models] }),
        ...(token !== undefined && { expiresAt: isoTime(token.expiresAt) }),
      };
    }
    case 'link':
      return {
        kind: 'link',
        generationId: principal.generationId,
        expiresAt: isoTime(principal.token.expiresAt),
      };
    default:
      return { kind: 'anonymous' };
  }
}

/** @param seconds since 1970 */
function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
