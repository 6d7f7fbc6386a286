import { checksOf, examine } from 'llm-cast-doctor/examine';
import type { Finding } from 'llm-cast-doctor/finding';
import { summary, written } from 'llm-cast-doctor/report';
import { origin as listedOrigin } from '../config/origin.js';
import { CLIENT_OPTIONS, readArguments } from './arguments.js';
import { credentialOf } from './credential.js';
import { CommandError, EXIT, UsageError } from './exit.js';
import { isLive, printable, StatusLine, write } from './terminal.js';

const HELP = `Usage: llm-cast doctor [options] [URL]

Checks the connection to a running llm-cast as a page has it, one thing after the other, and says
what to mend: REST and its streaming, Socket.IO over polling and WebSocket, proxies in between, the
upstreams and the default model. URL is where REST answers (default ${CLIENT_OPTIONS.url.default}).
The same checks are on the page at /doctor. It takes about 12 s. NO_COLOR is honoured.

Options:
  --origin ORIGIN    of the page or app that is to use it (default: that of URL)
  --generate         also ask the default model for a short answer; this costs the GPU
  --json             write each finding as a line of JSON
  --token-file FILE  the key or token that it asks for (default: LLM_CAST_TOKEN)
  -h, --help         print this

Exit codes:
  0    nothing failed
  1    something failed
  2    wrong usage
  130  interrupted (Ctrl-C)
  141  nobody reads the output any more
`;

/** SGR codes (ECMA-48) of the first word of a finding. */
const COLORS = { ok: 32, warning: 33, failed: 31, skipped: 2 } as const;

/** Examines a server from the terminal. @throws CommandError where something failed */
export async function doctor(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments(
    {
      args,
      allowPositionals: true,
      options: {
        origin: { type: 'string' },
        generate: { type: 'boolean' },
        json: { type: 'boolean' },
        'token-file': CLIENT_OPTIONS['token-file'],
        help: CLIENT_OPTIONS.help,
      },
    },
    'doctor',
  );
  if (values.help) return write(process.stdout, HELP, signal);
  const [address = CLIENT_OPTIONS.url.default, ...more] = positionals;
  if (more.length > 0) throw new UsageError('Name one URL.', 'doctor');
  const { origin, pathname } = httpUrl(address);
  const url = `${origin}${pathname}`.replace(/\/+$/, '');
  const options = {
    origin: values.origin === undefined ? origin : originOf(values.origin),
    generate: values.generate === true,
    token: await credentialOf(values['token-file']),
    signal,
  };

  const checks = checksOf(options.generate);
  const line = isLive(process.stderr) ? new StatusLine(process.stderr) : undefined;
  const findings: Finding[] = [];
  try {
    line?.show(checks[0]!.title);
    for await (const finding of examine(url, options)) {
      findings.push(finding);
      line?.clear();
      const said = values.json ? `${JSON.stringify(finding)}\n` : colored(finding);
      await write(process.stdout, said, signal);
      const next = checks[checks.findIndex(({ id }) => id === finding.id) + 1];
      if (next !== undefined) line?.show(next.title);
    }
    line?.clear();
    if (values.json !== true) await write(process.stdout, `\n${summary(findings)}\n`, signal);
  } catch (error) {
    // The signal's own error, where it only made something else fail.
    signal.throwIfAborted();
    throw error;
  } finally {
    line?.clear();
  }
  if (findings.some(({ status }) => status === 'failed')) throw new CommandError('', EXIT.failed);
}

/** @throws UsageError */
function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError('URL must be an http or https URL.', 'doctor');
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(
      'URL must be without credentials: the doctor sends none. Behind a proxy that asks for them, run it on the machine of llm-cast.',
      'doctor',
    );
  }
  return url;
}

/**
 * The origin of a page, whose whole address may be given, or of an app, as its `Origin` has it.
 * @throws UsageError
 */
function originOf(text: string): string {
  const page = URL.canParse(text) ? new URL(text).origin : 'null';
  // For URL, `capacitor://localhost` has no origin.
  const { data = '*' } = listedOrigin.safeParse(page === 'null' ? text : page);
  if (!data.includes('*')) return data;
  throw new UsageError(
    '--origin must be an origin as CORS_ORIGINS names it, such as https://app.example or capacitor://localhost.',
    'doctor',
  );
}

function colored(finding: Finding): string {
  const text = printable(process.stdout, written(finding));
  if (!process.stdout.isTTY || !process.stdout.hasColors()) return text;
  return text.replace(/^\w+/, (status) => `\x1b[${COLORS[finding.status]}m${status}\x1b[0m`);
}
