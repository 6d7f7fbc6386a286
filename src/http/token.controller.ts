import { Body, Controller, Header, HttpCode, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { Audit } from '../access/audit.js';
import { authorise } from '../access/authorise.js';
import type { KeyPrincipal, Principal } from '../access/principal.js';
import { TokenMaker } from '../access/token-maker.js';
import { tokenAnswer, type TokenAnswer, tokenBody, type TokenBody } from '../protocol/access.js';
import { type Scope, USUAL_SCOPES } from '../protocol/access.js';
import { CastError } from '../protocol/errors.js';
import { askingOf } from './authenticate.js';
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
    const asking = askingOf(request);
    const [key, given] = this.audit.decide(asking, 'mint', () => minting(asking.principal, scopes));
    const answer = await this.tokens.user(key, userId, given, ttl);
    this.audit.write('token', { ...key, userId }, { address: request.ip });
    return answer;
  }
}

/**
 * The key that makes a token, and the scopes that it gives.
 * @param asked the scopes that are asked for
 * @throws CastError `forbidden`
 */
function minting(
  principal: Principal,
  asked: readonly Scope[] | undefined,
): [KeyPrincipal, readonly Scope[]] {
  authorise(principal, 'mint');
  if (principal.kind !== 'key') throw new CastError('forbidden');
  const { scopes: own } = principal;
  const given = asked ?? USUAL_SCOPES.filter((scope) => own.includes(scope));
  if (given.every((scope) => own.includes(scope))) return [principal, given];
  throw new CastError('forbidden', { message: 'The key itself has not all of these scopes.' });
}
