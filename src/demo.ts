import { startDemo } from './demo/start.js';
import { parseArgs } from 'node:util';
import {
  exitAtSecondSignal,
  exitWithReason,
  surviveClosedLog,
  warnOfSetting,
} from './cli/process.js';
import { EXIT } from './cli/exit.js';
import { lanAddresses, qrCode } from './demo/lan.js';

/** What lets others in the network in: every address, and no credentials. */
const OPEN_TO_LAN = { HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' };

/** How the demo and a question are called by the one who started it: by npm, or as commands of `llm-cast`. */
const CALLED = process.argv[1]?.endsWith('demo.js')
  ? { demo: 'npm run demo --', ask: 'npm run ask --' }
  : { demo: 'llm-cast demo', ask: 'llm-cast chat' };

/** `npm run demo`: the server in front of the built-in upstream, no Ollama needed. */
exitAtSecondSignal();
surviveClosedLog();
const { lan } = readFlags();
try {
  const { url, socketUrl } = await startDemo(
    lan ? { ...process.env, ...OPEN_TO_LAN } : process.env,
    warnOfSetting,
  );
  const { port } = new URL(url);
  const { port: socketPort } = new URL(socketUrl);
  console.log(`
Open http://localhost:${port}
${lan ? onThePhone(port, socketPort) : ''}
llm-cast is running on its built-in demo model: not a language model, it answers from the
documents of llm-cast. The page has buttons that break its connection.

  REST       ${url}/llm/generate
  Socket.IO  ${socketUrl}/events

In a second terminal:

  ${askCommand(url, socketUrl)}

Ctrl-C stops it.${lan ? '' : `  On your phone: ${CALLED.demo} --lan`}
`);
} catch (error) {
  exitWithReason(error);
}

function readFlags(): { lan: boolean } {
  try {
    const { values } = parseArgs({ options: { lan: { type: 'boolean', default: false } } });
    return values;
  } catch {
    console.error(
      'Usage: npm run demo [-- --lan]\n\n  --lan  others in this network may use it too, such as your phone',
    );
    return process.exit(EXIT.usage);
  }
}

/** What the page's address is for others, and what that opens. */
function onThePhone(port: string, socketPort: string): string {
  const [address] = lanAddresses();
  if (address === undefined) return '\nThis machine is in no network: no phone can reach it.\n';
  const page = `http://${address}:${port}`;
  return `
On your phone, in the same network: ${page}

${qrCode(page)}
Everybody in this network can use the demo now, on ports ${port} and ${socketPort}, until you stop it.
`;
}

/** The command as it works on these ports. */
function askCommand(url: string, socketUrl: string): string {
  const isDefault = new URL(url).port === '3000' && new URL(socketUrl).port === '4321';
  const local = (of: string): string => `http://localhost:${new URL(of).port}`;
  const where = isDefault
    ? ''
    : `LLM_CAST_URL=${local(url)} LLM_CAST_SOCKET_URL=${local(socketUrl)} `;
  return `${where}${CALLED.ask} "what happens when my phone locks?"`;
}
