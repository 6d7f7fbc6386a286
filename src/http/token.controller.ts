import { Body, Controller, Header, HttpCode, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../access/audit.js';
import { TokenMaker } from '../access/token-maker.js';
import { tokenAnswer, type TokenAnswer, tokenBody, type TokenBody } from '../protocol/access.js';
import { USUAL_SCOPES } from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';
import { principalOf } from './authenticate.js';
import { Route } from './open-api.js';

/** Tokens for backends that have no library for them. */
@Controller('auth')
export class TokenController {
  constructor(
    private readonly tokens: TokenMaker,
    private readonly audit: Audit,
  ) {}

  @Post('token')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Route({
    summary: 'Make a token of a user, with an API key',
    answers: { 200: tokenAnswer },
    refuses: ['unauthorized'],
  })
  async token(
    @Body({ schema: tokenBody }) { userId, ttl, scopes }: TokenBody,
    @Req() request: Request,
  ): Promise<TokenAnswer> {
    const principal = principalOf(request);
    this.audit.authorise({ principal, address: request.ip }, 'mint');
    if (principal.kind !== 'key') throw new CastError('forbidden');
    const { scopes: own } = principal;
    const asked = scopes ?? USUAL_SCOPES.filter((scope) => own.includes(scope));
    if (!asked.every((scope) => own.includes(scope))) {
      throw new CastError('forbidden', { message: 'The key itself has not all of these scopes.' });
    }
    const answer = await this.tokens.user(principal, userId, asked, ttl);
    this.audit.write('token', { ...principal, userId }, { address: request.ip });
    return answer;
  }
}
