import { createHash } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { CLIENT_HELP, CLIENT_OPTIONS, readArguments, serverUrl } from './arguments.js';
import { CommandError, EXIT, EXIT_HELP, UsageError } from './exit.js';
import { follow } from './follow.js';
import { ServerClient } from './server-client.js';
import { dim, printable, write } from './terminal.js';

const HELP = `Usage: llm-cast chat [options] "prompt"

Asks a running llm-cast and writes the answer to stdout as it comes: into a pipe nothing but the
answer, byte by byte. What it waits for, and the model's thinking, go to stderr, and only to a
terminal. A prompt of - is read from stdin. NO_COLOR is honoured.

Options:
  --model NAME      which model; the server's default otherwise
  --system TEXT     what the model is told before the prompt
${CLIENT_HELP}
${EXIT_HELP}`;

/** Streams one answer to the terminal. @throws CommandError unless it completed */
export async function chat(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments(
    {
      args,
      allowPositionals: true,
      options: { ...CLIENT_OPTIONS, model: { type: 'string' }, system: { type: 'string' } },
    },
    'chat',
  );
  if (values.help) return write(process.stdout, HELP, signal);
  const url = serverUrl('url', values.url, 'chat');
  const words = positionals.join(' ');
  const prompt = words === '-' ? await readAll(process.stdin) : words;
  if (prompt.trim() === '') throw new UsageError('There is no prompt.', 'chat');

  const server = new ServerClient(url, signal);
  const request = {
    messages: [
      ...(values.system === undefined ? [] : [{ role: 'system', content: values.system }]),
      { role: 'user', content: prompt },
    ],
    ...(values.model !== undefined && { model: values.model }),
    // This reader is no socket. It cancels by itself when it ends early.
    onDisconnect: 'keep',
  };
  const answer = new Answer(signal);
  try {
    const { sha256, finishReason } = await follow(
      server,
      '/llm/chat',
      request,
      signal,
      async (chunk) => {
        if (!('message' in chunk)) return;
        const { content, thinking = '', refusal = '' } = chunk.message;
        await answer.think(thinking);
        await answer.say(content);
        await answer.decline(refusal);
      },
    );
    if (sha256 !== answer.sha256) {
      throw new CommandError('The answer is not what the server sent.', EXIT.failed);
    }
    if (finishReason !== 'stop') answer.remark(`the answer ended early: ${finishReason}`);
  } finally {
    answer.end();
  }
}

/** What the model says: the answer on stdout, thinking and remarks on stderr. */
class Answer {
  private readonly hash = createHash('sha256');
  private last: 'nothing' | 'thinking' | 'answer' = 'nothing';
  private endsLine = true;

  constructor(private readonly signal: AbortSignal) {}

  get sha256(): string {
    return this.hash.copy().digest('hex');
  }

  async say(text: string): Promise<void> {
    if (text === '') return;
    this.hash.update(text);
    if (this.last === 'thinking') process.stderr.write(this.endsLine ? '\n' : '\n\n');
    this.last = 'answer';
    this.endsLine = text.endsWith('\n');
    await write(process.stdout, printable(process.stdout, text), this.signal);
  }

  async think(text: string): Promise<void> {
    if (text === '' || !process.stderr.isTTY) return;
    if (this.last === 'answer') this.breakLine();
    this.last = 'thinking';
    this.endsLine = text.endsWith('\n');
    const shown = printable(process.stderr, text);
    await write(process.stderr, dim(process.stderr, shown), this.signal);
  }

  async decline(text: string): Promise<void> {
    if (text !== '') await write(process.stderr, printable(process.stderr, text), this.signal);
  }

  remark(text: string): void {
    this.breakLine();
    console.error(`llm-cast: ${text}`);
  }

  /** The shell's prompt begins on a line of its own. */
  end(): void {
    this.breakLine();
  }

  private breakLine(): void {
    const stream = this.last === 'thinking' ? process.stderr : process.stdout;
    if (!this.endsLine && stream.isTTY) stream.write('\n');
    this.endsLine = true;
  }
}
