import { loadConfig } from './config.js';
import { startFakeOllama } from './fake-ollama/server.js';
import { exitAtSecondSignal, exitWithReason, surviveClosedLog } from './process.js';
import { startServer } from './server.js';

/** `npm run demo`: the server in front of the built-in upstream, no Ollama needed. */
exitAtSecondSignal();
surviveClosedLog();
try {
  const upstream = await startFakeOllama({ port: 0 });
  const { url, socketUrl } = await startServer(
    loadConfig({
      LOG_LEVEL: 'warn',
      ...process.env,
      OLLAMA_BASE_URL: upstream.url,
      OLLAMA_MODEL: 'demo',
    }),
  );
  console.log(`
llm-cast is running on its built-in demo upstream (not a language model).

  REST       ${url}/llm/generate
  Socket.IO  ${socketUrl}/events

Try it in a second terminal:

  npm run ask -- "why is the sky blue?"

Ctrl-C stops it.
`);
} catch (error) {
  exitWithReason(error);
}
