// Any web server does: there is nothing to build.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const { PORT = '5170', LLM_CAST_SOCKET_URL = 'http://localhost:4321' } = process.env;

createServer(async (_request, response) => {
  const page = await readFile(new URL('index.html', import.meta.url), 'utf8');
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(page.replaceAll('http://localhost:4321', LLM_CAST_SOCKET_URL));
}).listen(Number(PORT), 'localhost', function () {
  console.log(`http://localhost:${this.address().port}`);
});
