import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http';
import https, { type RequestOptions } from 'node:https';
import { connect, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { ChunkLane } from './chunk-lane.js';
import { connectToFirst } from './connect-to-first.js';

/** What one read of a connection brings at most; used for each read of each connection. */
const buffer = Buffer.allocUnsafeSlow(65_536);

/** What a request says to its agent. */
export interface ConnectOptions {
  /** Called while it connects, with what gives that up: nobody waits for the connection any more. */
  onConnecting(giveUp: (why: Error) => void): void;
}
type Options = ClientRequestArgs & Partial<ConnectOptions>;
type Done = (error: Error | null, connection: Duplex) => void;
/** As the agent takes it: without a connection where there is an error. */
type Connected = (error: Error | null, connection?: Duplex) => void;

const lanes = new WeakMap<Socket, ChunkLane>();

/** Plain connections to upstreams, each read through a lane of its own. */
export class StreamingAgent extends Agent {
  override createConnection(options: Options, done?: Done): Socket | undefined {
    const { host, onConnecting } = options;
    if (!host || isIP(host) || done === undefined) return this.connect(options);
    const open = (address: string): Socket => this.connect({ ...options, host: address });
    const giveUp = connectToFirst(host, open, done as Connected);
    onConnecting?.(giveUp);
    return undefined;
  }

  private connect(options: Options): Socket {
    const onread = {
      buffer,
      callback: (size: number): boolean => {
        lane.read(buffer.subarray(0, size));
        return true;
      },
    };
    const socket = connect({ ...(options as TcpNetConnectOpts), onread });
    const lane = new ChunkLane(socket);
    lanes.set(socket, lane);
    return socket;
  }

  override reuseSocket(socket: Socket, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    lanes.get(socket)?.expectHead();
  }
}

/** To be called while a request tells of its response. */
export function expectBody(answer: IncomingMessage): void {
  lanes.get(answer.socket)?.expectBody(answer);
}

/** Connections over TLS. */
export class SecureAgent extends https.Agent {
  override createConnection(options: RequestOptions, done?: Done): Duplex | null | undefined {
    const { host, onConnecting } = options as Options;
    if (!host || isIP(host) || done === undefined) return super.createConnection(options);
    const open = (address: string): Socket =>
      connect({ ...(options as TcpNetConnectOpts), host: address });
    const connected = (error: Error | null, socket?: Socket): void => {
      if (error) (done as Connected)(error);
      else done(null, super.createConnection({ ...options, socket } as RequestOptions)!);
    };
    const giveUp = connectToFirst(host, open, connected);
    onConnecting?.(giveUp);
    return undefined;
  }
}
