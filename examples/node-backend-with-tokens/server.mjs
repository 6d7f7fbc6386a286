// An app's backend: it knows its users, and gives each browser a token for llm-cast.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { SignJWT } from 'jose';

const { JWT_SECRET, LLM_CAST_SOCKET_URL = 'http://localhost:4321', PORT = '8080' } = process.env;
if (JWT_SECRET === undefined) {
  console.error('Please set JWT_SECRET to that of llm-cast.');
  process.exit(2);
}

const page = readFileSync(new URL('index.html', import.meta.url), 'utf8');
const socketIo = readFileSync(
  new URL('socket.io.esm.min.js', import.meta.resolve('socket.io-client/dist/socket.io.js')),
);

/** Whoever is signed in to your app. Here everybody says who they are: replace it with your session. */
function signedIn(url) {
  return url.searchParams.get('user') ?? 'ada';
}

async function tokenFor(user) {
  return new SignJWT({ sub: user })
    .setProtectedHeader({ alg: 'HS256' })
    .setAudience('llm-cast')
    .setIssuedAt()
    .setExpirationTime('15m')
    .sign(new TextEncoder().encode(JWT_SECRET));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  switch (url.pathname) {
    case '/':
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(page.replace('LLM_CAST_SOCKET_URL', LLM_CAST_SOCKET_URL));
      return;
    case '/socket.io.js':
      response.setHeader('content-type', 'text/javascript');
      response.end(socketIo);
      return;
    case '/llm-token':
      response.setHeader('content-type', 'application/json');
      response.setHeader('cache-control', 'no-store');
      response.end(JSON.stringify({ token: await tokenFor(signedIn(url)) }));
      return;
    default:
      response.writeHead(404).end();
  }
});
server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`the app is on http://localhost:${server.address().port}`);
});
