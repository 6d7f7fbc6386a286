import { startDemo } from './demo/start.js';
import {
  exitAtSecondSignal,
  exitWithReason,
  refuseArguments,
  surviveClosedLog,
} from './cli/process.js';

/** `npm run demo`: the server in front of the built-in upstream, no Ollama needed. */
refuseArguments('npx llm-cast demo');
exitAtSecondSignal();
surviveClosedLog();
try {
  const { url, socketUrl } = await startDemo(process.env);
  console.log(`
Open ${url}

llm-cast is running on its built-in demo model: not a language model, it answers from the
documents of llm-cast. The page has buttons that break its connection.

  REST       ${url}/llm/generate
  Socket.IO  ${socketUrl}/events

In a second terminal:

  npm run ask -- "what happens when my phone locks?"

Ctrl-C stops it.
`);
} catch (error) {
  exitWithReason(error);
}
