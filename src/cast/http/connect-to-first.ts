import dns, { type LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';

/** How long an address is tried before the next is tried beside it, in milliseconds (RFC 8305, section 8). */
const NEXT_MS = 250;

/**
 * Connects to that address of a name which answers first (Happy Eyeballs, RFC 8305, section 5). Each
 * is tried until another has answered; Node itself gives up every address but the last after 250 ms.
 * @param open begins to connect to an address
 * @param done called once, with the connected socket, or with why the last address to fail has failed
 * @returns gives up: `done` is called at once, with this reason
 */
export function connectToFirst(
  name: string,
  open: (address: string) => Socket,
  done: (error: Error | null, socket?: Socket) => void,
): (why: Error) => void {
  let left: string[] = [];
  const trying = new Set<Socket>();
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  const end = (error: Error | null, socket?: Socket): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    for (const other of trying) if (other !== socket) other.destroy();
    done(error, socket);
  };
  const tryNext = (): void => {
    clearTimeout(timer);
    const address = left.shift();
    if (address === undefined) return;
    const socket = open(address);
    trying.add(socket);
    const onError = (error: Error): void => {
      trying.delete(socket);
      if (trying.size === 0 && left.length === 0) end(error);
      else tryNext();
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      end(null, socket);
    });
    timer = setTimeout(tryNext, NEXT_MS);
  };

  dns.lookup(name, { all: true }, (error, found) => {
    if (isOver) return;
    if (error) return end(error);
    left = alternately(found);
    tryNext();
  });
  return end;
}

/** Addresses of both families in turn, so that a family that leads nowhere costs one try (section 4). */
function alternately(found: readonly LookupAddress[]): string[] {
  const [first] = found;
  const ofFirst = found.filter(({ family }) => family === first?.family);
  const others = found.filter(({ family }) => family !== first?.family);
  return Array.from({ length: found.length }, (_, at) => [ofFirst[at], others[at]])
    .flat()
    .flatMap((one) => (one === undefined ? [] : one.address));
}
