import { ConfigError } from '../config/config-error.js';
import { readEnvFile } from '../config/env-file.js';
import { CommandError, EXIT } from './exit.js';

/** A setting as the server would read it: from the environment, else from `.env`. */
export function fromEnvironment(name: string): string | undefined {
  try {
    return process.env[name]?.trim() || readEnvFile('.env')[name]?.trim() || undefined;
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandError(error.message, EXIT.failed);
    throw error;
  }
}
