// A backend that decides what is asked: the page sends a question and its socket's id, and gets the
// answer straight from llm-cast. The prompt never reaches the browser.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';

const {
  PORT = '5174',
  LLM_CAST_URL = 'http://localhost:3000',
  LLM_CAST_SOCKET_URL = 'http://localhost:4321',
} = process.env;

const SYSTEM =
  'You are the help of a shop that sells umbrellas. Answer in at most three sentences.';

/** Starts the answer; its records go to the socket of that id. */
async function ask(question, clientId) {
  const response = await fetch(`${LLM_CAST_URL}/llm/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      clientId,
      messages: [
        { role: 'system', content: SYSTEM },
        { role: 'user', content: question },
      ],
      options: { temperature: 0.2 },
    }),
  });
  return { status: response.status, body: await response.text() };
}

createServer(async (request, response) => {
  if (request.method === 'POST' && request.url === '/ask') {
    const { status, body } = await json(request)
      .then(({ question, clientId }) => ask(String(question), String(clientId)))
      // The request is no JSON, or llm-cast is not there.
      .catch(({ message }) => ({ status: 502, body: JSON.stringify({ message }) }));
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    return;
  }
  const page = await readFile(new URL('index.html', import.meta.url), 'utf8');
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(page.replaceAll('http://localhost:4321', LLM_CAST_SOCKET_URL));
}).listen(Number(PORT), 'localhost', function () {
  console.log(`http://localhost:${this.address().port}`);
});
