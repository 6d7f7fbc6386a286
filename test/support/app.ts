import type * as Loading from '../../src/config/load.js';
import type * as Serving from '../../src/server.js';
import { Program } from './program.js';
import { TOKEN_ENV } from './short-tokens.js';

declare global {
  /** Loads a file of this project for all test files of a worker: environment.mjs. */
  function importOnce<Module>(file: string): Promise<Module>;
}

/** An address where nothing listens: port 1 is reserved and needs root. */
export const NOBODY = 'http://127.0.0.1:1';

/** The tests that know no more of the server than its addresses may run on `dist/main.js`. */
const ON_BUILT_SERVER = process.env['TEST_BUILT_SERVER'] !== undefined;

/** Starts the real application on free ports, quietly; `env` is what its environment would be. */
export async function startApp(
  env: Record<string, string | number> = {},
): Promise<Serving.RunningServer> {
  if (ON_BUILT_SERVER)
    return startBuilt({ DRAIN_MS: 0, OLLAMA_BASE_URL: NOBODY, ...TOKEN_ENV, ...env });
  const { startServer } = await importOnce<typeof Serving>('src/server.ts');
  const { loadConfig } = await importOnce<typeof Loading>('src/config/load.ts');
  return startServer(loadConfig(quiet(env)));
}

/** Starts it with modules that Jest loads for this test file, for a test that reaches into them. */
export async function startReachableApp(
  env: Record<string, string | number> = {},
): Promise<Serving.RunningServer> {
  const { startServer } = await import('../../src/server.js');
  const { loadConfig } = await import('../../src/config/load.js');
  return startServer(loadConfig(quiet(env)));
}

function quiet(env: Record<string, string | number>): Record<string, string> {
  const given = Object.entries({
    PORT: 0,
    SOCKET_PORT: 0,
    LOG_LEVEL: 'fatal',
    DRAIN_MS: 0,
    OLLAMA_BASE_URL: NOBODY,
    ...TOKEN_ENV,
    ...env,
  }).map(([name, value]) => [name, String(value)]);
  return Object.fromEntries(given);
}

async function startBuilt(env: Record<string, string | number>): Promise<Serving.RunningServer> {
  const server = Program.server(env);
  const addresses = await server.listening();
  const close = async (): Promise<void> => {
    server.child.kill('SIGTERM');
    await server.exited;
  };
  return { ...addresses, close };
}
