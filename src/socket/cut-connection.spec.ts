import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { until, within } from '../../test/support/until.js';
import { closeConnection, type Connection } from './cut-connection.js';

/** engine.io alone would wait twice as long for the next poll, in milliseconds. */
const GIVEN_UP_MS = 15_000;

describe('a connection over polling that is closed', () => {
  let http: HttpServer;
  let io: Server;
  let url: string;
  beforeEach(async () => {
    http = createServer().listen(0, '127.0.0.1');
    io = new Server(http);
    await once(http, 'listening');
    url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/socket.io/?EIO=4&transport=polling`;
  });
  afterEach(() => io.close());

  const open = async (): Promise<{ connection: Connection; poll: string }> => {
    const connected = once(io.engine, 'connection');
    const said = await (await fetch(url)).text();
    const { sid } = JSON.parse(said.slice(1)) as { sid: string };
    const [connection] = (await connected) as [Connection];
    return { connection, poll: `${url}&sid=${sid}` };
  };

  it('is given up where it is polled no more', async () => {
    const { connection } = await open();
    const closed = once(connection, 'close');
    closeConnection(connection);
    await within(GIVEN_UP_MS, closed);
  });

  it('says its last word to a client that polls', async () => {
    const { connection, poll } = await open();
    const polled = fetch(poll);
    await until(() => connection.transport.writable);
    connection.send('last word');
    closeConnection(connection);
    expect(await (await polled).text()).toBe('4last word');
  });
});
