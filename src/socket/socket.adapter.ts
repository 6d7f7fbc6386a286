import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { type Namespace, Server, type ServerOptions } from 'socket.io';
import type { Config } from '../config.js';
import type { Clients } from './socket.gateway.js';

/** How long, at the end, sockets may take to fetch what is written for them. */
const FLUSH_MS = 1_000;
const FLUSH_POLL_MS = 10;

/**
 * Socket.IO's settings, and its own listening HTTP server: the port of a `@WebSocketGateway()` is
 * read before the configuration is, and `new Server(port)` listens on every interface.
 */
export class SocketAdapter extends IoAdapter {
  private readonly ownServer: HttpServer | undefined;

  constructor(
    private readonly app: INestApplication,
    private readonly config: Config,
  ) {
    super(app);
    const shared = config.SOCKET_PORT === config.PORT && config.PORT !== 0;
    this.ownServer = shared ? undefined : createServer();
  }

  override createIOServer(_port: number, options?: Partial<ServerOptions>): Server {
    return new Server(this.ownServer ?? (this.app.getHttpServer() as HttpServer), {
      ...options,
      transports: this.config.SOCKET_TRANSPORTS,
      maxHttpBufferSize: this.config.MAX_BODY_BYTES,
      serveClient: false,
    });
  }

  /** @returns the port that is listened on */
  async listen(): Promise<number> {
    const server = this.ownServer ?? (this.app.getHttpServer() as HttpServer);
    if (this.ownServer !== undefined) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(this.config.SOCKET_PORT, this.config.HOST, resolve);
      });
    }
    return (server.address() as AddressInfo).port;
  }

  /** Closes every socket, after what was written for it has left. Nest also asks to close namespaces. */
  override async close(server: Server | Namespace): Promise<void> {
    if (!(server instanceof Server)) return;
    const deadline = performance.now() + FLUSH_MS;
    const clients = server.of('/events') as unknown as Clients;
    const isSending = (): boolean =>
      [...clients.sockets.values()].some(({ data }) => !data.readers.isEmpty);
    while (isSending() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, FLUSH_POLL_MS));
    }
    await server.close();
  }
}
