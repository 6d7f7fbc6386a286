import { io, type Socket } from 'socket.io-client';
import { ioAddress, type SocketLocation, socketUrlOf } from 'llm-cast-doctor/socket-url';
import { CLIENT_HELP, CLIENT_OPTIONS, readArguments, serverUrl } from './arguments.js';
import { CommandError, EXIT, EXIT_HELP, UsageError } from './exit.js';
import type { Refusal } from '../protocol/refusal.js';
import { credentialOf } from './credential.js';
import { follow } from './follow.js';
import { formatBytes } from './format-bytes.js';
import { failure, ServerClient } from './server-client.js';
import { isLive, printable, StatusLine, write } from './terminal.js';

const HELP = `Usage: llm-cast pull [options] NAME

Has the Ollama behind a running llm-cast download a model. The server must allow it (ALLOW_PULL).
A download that was cancelled or broke off goes on where it was when it is asked for again.

Options:
  --socket-url URL       where its Socket.IO answers; the server says so itself otherwise
${CLIENT_HELP}
${EXIT_HELP}`;

const CONNECT_MS = 10_000;

/** Pulls a model, with the progress on stderr. @throws CommandError unless it is there then */
export async function pull(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments(
    {
      args,
      allowPositionals: true,
      options: { ...CLIENT_OPTIONS, 'socket-url': { type: 'string' } },
    },
    'pull',
  );
  if (values.help) return write(process.stdout, HELP, signal);
  const [model, ...more] = positionals;
  if (model === undefined || more.length > 0) {
    throw new UsageError('Name one model, such as llama3.2.', 'pull');
  }
  const url = serverUrl('url', values.url, 'pull');
  const server = new ServerClient(url, signal, values['token-file']);
  const given = values['socket-url'];
  const socketUrl =
    given === undefined
      ? socketUrlOf(await server.get<SocketLocation>('/page.json'), url)
      : serverUrl('socket-url', given, 'pull');
  const token = await credentialOf(values['token-file']);
  const socket = await connect(socketUrl, token, signal);
  const progress = new Progress(process.stderr);
  try {
    const request = { clientId: socket.id, model };
    await follow(server, '/llm/models/pull', request, signal, async (record) => {
      if ('status' in record) progress.show(record);
    });
  } finally {
    progress.end();
    socket.close();
  }
}

/** A pull is only for a connected client: this is one. It reads the records as chat does. */
async function connect(
  url: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const { url: namespace, path } = ioAddress(url);
  const socket = io(namespace, {
    path,
    reconnection: false,
    timeout: CONNECT_MS,
    auth: { token },
  });
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      socket.once('connect', resolve);
      socket.once('connect_error', ({ data }: Error & { data?: Refusal }) => {
        if (data !== undefined) return reject(failure(data.code, data.message, data.retryable));
        const sentence = `There is no Socket.IO of llm-cast at ${url}; see --socket-url.`;
        reject(new CommandError(sentence, EXIT.tryLater));
      });
    });
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

interface Step {
  status: string;
  total?: number | undefined;
  completed?: number | undefined;
}

const BAR = 24;

/** A bar for each layer on a terminal; elsewhere a line for each step. */
class Progress {
  private readonly line: StatusLine | undefined;
  private last: Step | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {
    if (isLive(stream)) this.line = new StatusLine(stream);
  }

  show(step: Step): void {
    if (step.status !== this.last?.status) {
      this.keepLast();
      if (this.line === undefined) this.stream.write(`${step.status}\n`);
    }
    this.last = step;
    this.line?.show(describe(step));
  }

  end(): void {
    this.keepLast();
  }

  /** A step that is over stays on the screen. */
  private keepLast(): void {
    this.line?.clear();
    if (this.line === undefined || this.last === undefined) return;
    this.stream.write(`${printable(this.stream, describe(this.last))}\n`);
  }
}

function describe({ status, total = 0, completed = 0 }: Step): string {
  if (total === 0) return status;
  const share = Math.min(completed / total, 1);
  const full = Math.round(share * BAR);
  const bar = '█'.repeat(full) + '░'.repeat(BAR - full);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${status} ${bar}${percent} ${formatBytes(completed)} of ${formatBytes(total)}`;
}
