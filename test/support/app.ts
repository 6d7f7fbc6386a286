import { loadConfig } from '../../src/config/load.js';
import { type RunningServer, startServer } from '../../src/server.js';

/** An address where nothing listens: port 1 is reserved and needs root. */
export const NOBODY = 'http://127.0.0.1:1';

/** Starts the real application on free ports, quietly; `env` is what its environment would be. */
export function startApp(env: Record<string, string | number> = {}): Promise<RunningServer> {
  const given = Object.entries({
    PORT: 0,
    SOCKET_PORT: 0,
    LOG_LEVEL: 'fatal',
    DRAIN_MS: 0,
    OLLAMA_BASE_URL: NOBODY,
    ...env,
  }).map(([name, value]) => [name, String(value)]);
  return startServer(loadConfig(Object.fromEntries(given)));
}
