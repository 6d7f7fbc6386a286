import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { tokenOf } from '../../test/support/credentials.js';
import { loadConfig } from '../config/load.js';
import { ApiKeys } from './api-keys.js';
import { Audit } from './audit.js';
import { Authentication } from './authentication.js';
import { FailedCredentials } from './failed-credentials.js';
import { Revocations } from './revocations.js';
import { Secrets } from './secrets.js';
import { Sessions } from './sessions.js';
import { TokenVerifier } from './token-verifier.js';

const OLD = 'the-old-secret-of-the-tests-of-32-bytes-and-more';
const NEW = 'the-new-secret-of-the-tests-of-32-bytes-and-more';

describe('a token that is verified while JWT_SECRET changes', () => {
  const before = process.cwd();
  let secrets: Secrets | undefined;

  beforeAll(() => Logger.overrideLogger(false));
  afterAll(() => {
    secrets?.onApplicationShutdown();
    process.chdir(before);
  });

  it('is good for this once, and not remembered', async () => {
    process.chdir(mkdtempSync(join(tmpdir(), 'llm-cast-secret-')));
    writeFileSync('.env', `JWT_SECRET=${OLD}\n`);
    const config = loadConfig({ JWT_SECRET: OLD });
    secrets = new Secrets(config);
    const keys = new ApiKeys(config);
    const authentication = new Authentication(
      config,
      keys,
      new TokenVerifier(config, secrets),
      new Sessions(keys, new Revocations()),
      new FailedCredentials(config),
      new Audit(config),
      secrets,
    );
    const identify = (token: string): Promise<unknown> =>
      authentication.identify(() => token, { address: '::1', requestId: undefined });
    const token = await tokenOf('ada', undefined, 600, OLD);
    const identified = identify(token);
    writeFileSync('.env', `JWT_SECRET=${NEW}\n`);
    process.emit('SIGHUP');
    expect(await identified).toMatchObject({ sub: 'ada' });
    await expect(identify(token)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(await identify(await tokenOf('ada', undefined, 600, NEW))).toMatchObject({ sub: 'ada' });
  });
});
