// The copy of `ws` that Socket.IO brings along: the benchmark adds no dependency of its own.
import { createRequire } from 'node:module';

const socketIo = createRequire(createRequire(import.meta.url).resolve('socket.io'));
export const WebSocket = createRequire(socketIo.resolve('engine.io'))('ws');
