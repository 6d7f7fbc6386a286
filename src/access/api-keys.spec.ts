import { renameSync, rmSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { KeysFile } from '../../test/support/credentials.js';
import { until } from '../../test/support/until.js';
import { loadConfig } from '../config/load.js';
import { ApiKeys } from './api-keys.js';

describe('the file of API keys', () => {
  let file: KeysFile;
  let keys: ApiKeys;

  beforeAll(() => Logger.overrideLogger(false));
  beforeEach(() => {
    file = new KeysFile();
    file.add('first');
    keys = new ApiKeys(loadConfig({ API_KEYS_FILE: file.path }));
  });
  afterEach(() => keys.onApplicationShutdown());

  it('is read anew where it has changed between the first reading and the first look', async () => {
    const second = file.add('second');
    keys.onModuleInit();
    await until(() => keys.find(second) !== undefined, 5_000);
  });

  it('is read anew where another one has taken its place, or it comes back', async () => {
    keys.onModuleInit();
    const other = new KeysFile();
    const [second, third] = [other.add('second'), other.add('third')];
    renameSync(other.path, file.path);
    await until(() => keys.find(second) !== undefined && keys.find(third) !== undefined);
    let told = 0;
    keys.onChange(() => told++);
    rmSync(file.path);
    const fourth = file.add('fourth');
    await until(() => keys.find(fourth) !== undefined);
    expect(keys.find(second)).toBeUndefined();
    expect(told).toBe(1);
  });
});
