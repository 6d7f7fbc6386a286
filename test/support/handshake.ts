import { io } from 'socket.io-client';

/** What a handshake is refused with; undefined where it is let in. */
export async function handshake(socketUrl: string, auth: object): Promise<unknown> {
  const socket = io(`${socketUrl}/events`, { forceNew: true, reconnection: false, auth });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('connect_error', (error) => resolve((error as { data?: unknown }).data));
    });
  } finally {
    socket.disconnect();
  }
}
