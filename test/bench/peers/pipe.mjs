// The least that relays bytes over HTTP: node:http and pipe.
import { Agent, createServer, request } from 'node:http';

const agent = new Agent({ keepAlive: true });
const server = createServer((incoming, outgoing) => {
  const onward = request(
    `${process.env.UPSTREAM}${incoming.url}`,
    { method: 'POST', agent },
    (answer) => {
      outgoing.writeHead(answer.statusCode);
      answer.pipe(outgoing);
    },
  );
  incoming.pipe(onward);
});
server.listen(0, '127.0.0.1', () => console.log(`on http://127.0.0.1:${server.address().port}`));
