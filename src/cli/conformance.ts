import { aiSdk } from '../conformance/ai-sdk.js';
import { type Graded, grade } from '../conformance/grade.js';
import { ollama } from '../conformance/ollama.js';
import { openAi } from '../conformance/openai.js';
import { POINTS } from '../conformance/points.js';
import { PROTOCOLS, type ProtocolName } from '../conformance/protocol.js';
import { ScriptedUpstream } from '../conformance/scripted-upstream.js';
import { CLIENT_OPTIONS, readArguments, serverUrl } from './arguments.js';
import { credentialOf } from './credential.js';
import { CommandError, EXIT, UsageError } from './exit.js';
import { printable, write } from './terminal.js';

const HELP = `Usage: llm-cast conformance --upstream-port PORT [options] URL

Grades a server that stands between clients and a model server: a gateway, a proxy, llm-cast itself.
It is the model server behind it, on PORT (Ollama at /api, OpenAI at /v1): point the server under
test at it, with the model "conformance". Then it is the client before it, at URL: that which the
clients are given, by default with /v1 (openai), nothing (ollama) or /ai/chat (ai-sdk) as its path.
docs/conformance.md says what each point is. It takes about half a minute.

Options:
  --protocol NAME         ${PROTOCOLS.join(', ')} (default: openai)
  --upstream-port PORT    where the model server behind it listens; required
  --upstream-host HOST    at this address (default: 127.0.0.1)
  --model NAME            of the model that is asked for (default: conformance)
  --silence SECONDS       how long the model is silent in the point keep-alive (default: 20)
  --json                  write each point as a line of JSON
  --token-file FILE       the key or token that it asks for (default: LLM_CAST_TOKEN)
  -h, --help              print this

Exit codes:
  0    every point is ok or skipped
  1    some point failed
  2    wrong usage
  130  interrupted (Ctrl-C)
  141  nobody reads the output any more
`;

const BY_NAME = { openai: openAi, ollama, 'ai-sdk': aiSdk };
/** Longest silence, in seconds. */
const MAX_SILENCE_S = 3_600;
const MAX_PORT = 65_535;

/** Grades a server from the terminal. @throws CommandError where a point failed */
export async function conformance(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments(
    {
      args,
      allowPositionals: true,
      options: {
        protocol: { type: 'string', default: 'openai' },
        'upstream-port': { type: 'string' },
        'upstream-host': { type: 'string', default: '127.0.0.1' },
        model: { type: 'string', default: 'conformance' },
        silence: { type: 'string', default: '20' },
        json: { type: 'boolean' },
        'token-file': CLIENT_OPTIONS['token-file'],
        help: CLIENT_OPTIONS.help,
      },
    },
    'conformance',
  );
  if (values.help) return write(process.stdout, HELP, signal);
  const [address, ...more] = positionals;
  if (address === undefined || more.length > 0)
    throw new UsageError('Name one URL.', 'conformance');
  const port = numberOf('upstream-port', values['upstream-port'], MAX_PORT);
  const silence = numberOf('silence', values.silence, MAX_SILENCE_S);
  if (!PROTOCOLS.includes(values.protocol as ProtocolName)) {
    throw new UsageError(`--protocol must be one of ${PROTOCOLS.join(', ')}.`, 'conformance');
  }
  const protocol = BY_NAME[values.protocol as ProtocolName];
  const base = serverUrl('URL', address, 'conformance');
  const url = new URL(base).pathname === '/' ? `${base}${protocol.usualPath}` : base;
  const token = await credentialOf(values['token-file']);
  const upstream = await listen(port, values['upstream-host'], values.model);
  const examined = { url, protocol, model: values.model, token, silenceMs: silence * 1000 };
  const counts = { ok: 0, failed: 0, skipped: 0 };
  try {
    for await (const graded of grade(examined, upstream, POINTS, signal)) {
      counts[graded.status]++;
      const said = values.json ? `${JSON.stringify(graded)}\n` : row(graded);
      await write(process.stdout, said, signal);
    }
  } catch (error) {
    // The signal's own error, where it only made something else fail.
    signal.throwIfAborted();
    throw error;
  } finally {
    await upstream.close();
  }
  const summary = `\n${counts.ok} ok, ${counts.failed} failed, ${counts.skipped} skipped\n`;
  if (values.json !== true) await write(process.stdout, summary, signal);
  if (counts.failed > 0) throw new CommandError('', EXIT.failed);
}

/** @throws UsageError */
function numberOf(flag: string, text: string | undefined, max: number): number {
  const number = /^\d{1,5}$/.test(text ?? '') ? Number(text) : 0;
  if (number >= 1 && number <= max) return number;
  throw new UsageError(`--${flag} must be a whole number from 1 to ${max}.`, 'conformance');
}

/** @throws CommandError */
async function listen(port: number, host: string, model: string): Promise<ScriptedUpstream> {
  try {
    return await ScriptedUpstream.listen(port, host, model);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`The upstream cannot listen on ${host}:${port}: ${code}.`, EXIT.failed);
  }
}

const LONGEST_ID = Math.max(...POINTS.map(({ id }) => id.length));

function row({ status, id, title, detail }: Graded): string {
  const why = detail === undefined ? '' : `\n${' '.repeat(11 + LONGEST_ID)}${detail}`;
  const text = `${status.padEnd(7)}  ${id.padEnd(LONGEST_ID)}  ${title}${why}\n`;
  return printable(process.stdout, text);
}
