import { loadConfig } from '../../src/config/load.js';
import { type RunningServer, startServer } from '../../src/server.js';
import { Program } from './program.js';
import { TOKEN_ENV } from './short-tokens.js';

/** An address where nothing listens: port 1 is reserved and needs root. */
export const NOBODY = 'http://127.0.0.1:1';

/** The tests that know no more of the server than its addresses may run on `dist/main.js`. */
const ON_BUILT_SERVER = process.env['TEST_BUILT_SERVER'] !== undefined;

/** Starts the real application on free ports, quietly; `env` is what its environment would be. */
export async function startApp(env: Record<string, string | number> = {}): Promise<RunningServer> {
  if (ON_BUILT_SERVER)
    return startBuilt({ DRAIN_MS: 0, OLLAMA_BASE_URL: NOBODY, ...TOKEN_ENV, ...env });
  const given = Object.entries({
    PORT: 0,
    SOCKET_PORT: 0,
    LOG_LEVEL: 'fatal',
    DRAIN_MS: 0,
    OLLAMA_BASE_URL: NOBODY,
    ...TOKEN_ENV,
    ...env,
  }).map(([name, value]) => [name, String(value)]);
  return startServer(loadConfig(Object.fromEntries(given)));
}

async function startBuilt(env: Record<string, string | number>): Promise<RunningServer> {
  const server = Program.server(env);
  const addresses = await server.listening();
  const close = async (): Promise<void> => {
    server.child.kill('SIGTERM');
    await server.exited;
  };
  return { ...addresses, close };
}
