import { Module } from '@nestjs/common';
import { AddressLimits } from './address-limits.js';
import { ApiKeys } from './api-keys.js';
import { Audit } from './audit.js';
import { Authentication } from './authentication.js';
import { FailedCredentials } from './failed-credentials.js';
import { Revocations } from './revocations.js';
import { Secrets } from './secrets.js';
import { Sessions } from './sessions.js';
import { TokenMaker } from './token-maker.js';
import { TokenVerifier } from './token-verifier.js';
import { UsageLimits } from './usage-limits.js';

@Module({
  providers: [
    AddressLimits,
    ApiKeys,
    Audit,
    Authentication,
    FailedCredentials,
    Revocations,
    Secrets,
    Sessions,
    TokenMaker,
    TokenVerifier,
    UsageLimits,
  ],
  exports: [
    AddressLimits,
    ApiKeys,
    Audit,
    Authentication,
    Revocations,
    Sessions,
    TokenMaker,
    UsageLimits,
  ],
})
export class AccessModule {}
