/** What `GET /page.json` says of Socket.IO. */
export interface SocketLocation {
  /** Relative to the server's own address; null = `socketPort` of its host. */
  socketUrl: string | null;
  socketPort: number;
}

/**
 * Where pages look for Socket.IO: without the namespace, with the path below which a proxy shows it.
 * @param restUrl where REST is, without a trailing slash
 */
export function socketUrlOf({ socketUrl, socketPort }: SocketLocation, restUrl: string): string {
  const url = new URL(socketUrl ?? '/', `${restUrl}/`);
  if (socketUrl === null) url.port = String(socketPort);
  return url.href.replace(/\/+$/, '');
}

/** What `io` takes: it would take a path in its address for the namespace. */
export function ioAddress(socketUrl: string): { url: string; path: string } {
  const { origin, pathname } = new URL(socketUrl);
  return { url: `${origin}/events`, path: `${pathname.replace(/\/$/, '')}/socket.io/` };
}
