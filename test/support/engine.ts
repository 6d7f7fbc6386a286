import { jest } from '@jest/globals';
import { Server } from 'socket.io';
import type { RunningServer } from '../../src/server.js';
import { startReachableApp } from './app.js';

/**
 * Starts the application, and hands out its engine.io server too, which emits `connection` for each
 * connection of a client: no public way leads there.
 */
export async function startAppWithEngine(
  env: Record<string, string | number>,
): Promise<{ app: RunningServer; engine: NodeJS.EventEmitter }> {
  const bind = jest.spyOn(Server.prototype, 'bind');
  try {
    const app = await startReachableApp(env);
    return { app, engine: bind.mock.calls.at(-1)?.[0] as NodeJS.EventEmitter };
  } finally {
    bind.mockRestore();
  }
}
