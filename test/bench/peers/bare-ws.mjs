// The least that relays lines to a WebSocket: ws and node:http, no parsing.
import { Agent, request } from 'node:http';
import { WebSocket } from '../ws.mjs';

const agent = new Agent({ keepAlive: true });
const server = new WebSocket.Server({ port: 0, host: '127.0.0.1', perMessageDeflate: false });

server.on('connection', (socket) => {
  socket.on('message', (message) => {
    const prompt = message.toString();
    request(`${process.env.UPSTREAM}/api/generate`, { method: 'POST', agent }, (answer) => {
      let rest = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop();
        for (const line of lines) socket.send(line);
      });
    }).end(JSON.stringify({ model: 'bench', prompt, stream: true }));
  });
});
server.on('listening', () => console.log(`on http://127.0.0.1:${server.address().port}`));
