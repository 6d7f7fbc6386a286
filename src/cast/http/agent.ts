import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http';
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { ChunkLane } from './chunk-lane.js';

/** What one read of a connection brings at most; used for each read of each connection. */
const buffer = Buffer.allocUnsafeSlow(65_536);

/** Keeps plain connections to upstreams, each read through a lane of its own. */
export class StreamingAgent extends Agent {
  private readonly lanes = new WeakMap<Socket, ChunkLane>();

  constructor() {
    super({ keepAlive: true });
  }

  override createConnection(options: ClientRequestArgs): Socket {
    const onread = {
      buffer,
      callback: (size: number): boolean => {
        lane.read(buffer.subarray(0, size));
        return true;
      },
    };
    const socket = connect({ ...(options as TcpNetConnectOpts), onread });
    const lane = new ChunkLane(socket);
    this.lanes.set(socket, lane);
    return socket;
  }

  override reuseSocket(socket: Socket, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    this.lanes.get(socket)?.expectHead();
  }

  /** To be called while a request tells of its response. */
  expectBody(answer: IncomingMessage): void {
    this.lanes.get(answer.socket)?.expectBody(answer);
  }
}
