import { WHAT_IT_IS, type FakeOllama, startFakeOllama } from './server.js';
import { SwitchError, type Switches, helpText, readArguments } from './switches.js';

function readOrExit(): Switches {
  try {
    const read = readArguments(process.argv.slice(2));
    if (read !== 'help') return read;
    console.log(helpText());
    return process.exit(0);
  } catch (error) {
    if (!(error instanceof SwitchError)) throw error;
    console.error(error.message);
    return process.exit(2);
  }
}

async function startOrExit(switches: Switches): Promise<FakeOllama> {
  try {
    return await startFakeOllama(switches);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const place = `port ${switches.port} of ${switches.host}`;
    console.error(
      code === 'EADDRINUSE'
        ? `Something already listens on ${place} (a real Ollama?); choose another with --port.`
        : `Cannot listen on ${place}: ${message}.`,
    );
    return process.exit(1);
  }
}

const switches = readOrExit();
const fake = await startOrExit(switches);
const stop = () => void fake.close().then(() => process.exit(0));
process.once('SIGINT', stop);
process.once('SIGTERM', stop);

console.log(`fake-ollama: ${WHAT_IT_IS}
listening on ${fake.url}
models: ${['demo', 'echo', ...switches.models].join(', ')}
try: OLLAMA_BASE_URL=${fake.url} OLLAMA_MODEL=demo npm start`);
