import { jest } from '@jest/globals';
import { Server } from 'socket.io';
import type { RunningServer } from '../../src/server.js';
import { startReachableApp } from './app.js';

/** engine.io's server: it emits `connection` for each connection of a client. No public way leads there. */
export interface Engine extends NodeJS.EventEmitter {
  opts: { pingInterval: number; pingTimeout: number };
}

/** Starts the application, and hands out its engine.io server too. */
export async function startAppWithEngine(
  env: Record<string, string | number>,
): Promise<{ app: RunningServer; engine: Engine }> {
  const bind = jest.spyOn(Server.prototype, 'bind');
  try {
    const app = await startReachableApp(env);
    return { app, engine: bind.mock.calls.at(-1)?.[0] as unknown as Engine };
  } finally {
    bind.mockRestore();
  }
}
