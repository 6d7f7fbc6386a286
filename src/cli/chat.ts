import { addAbortSignal } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { JsonOutput, type Output, TextOutput } from './answer-output.js';
import { CLIENT_HELP, CLIENT_OPTIONS, readArguments, serverUrl } from './arguments.js';
import { type ChatOptions, fieldsOf, imagesOf, type Message, questionOf } from './chat-request.js';
import { converse } from './converse.js';
import { EXIT_HELP, UsageError } from './exit.js';
import { follow } from './follow.js';
import { interrupts } from './interrupts.js';
import { ServerClient } from './server-client.js';
import { write } from './terminal.js';

const HELP = `Usage:
  llm-cast chat [options] "prompt"   ask once
  llm-cast chat [options]            a conversation: a question a line, until Ctrl-D

Asks a running llm-cast and writes the answer to stdout as it comes: into a pipe nothing but the
answer, byte by byte. What it waits for, and the model's thinking, go to stderr, and only to a
terminal. A prompt of - is read from stdin. NO_COLOR is honoured.

The request:
  --model NAME           which model; the server's default otherwise
  --system TEXT          what the model is told before the prompt
  --option NAME=VALUE    temperature=0, num_predict=200, stop=["\\n"] and so on; may be repeated
  --think[=LEVEL]        ask a thinking model to think: true, false, low, medium, high or max
  --image FILE           show the model a picture; may be repeated

The answer:
  --json                 write the records as the server sends them, each a line of JSON

The server:
${CLIENT_HELP}
${EXIT_HELP}`;

const OPTIONS = {
  ...CLIENT_OPTIONS,
  model: { type: 'string' },
  system: { type: 'string' },
  option: { type: 'string', multiple: true },
  think: { type: 'string' },
  image: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const;

/** Streams answers to stdout. @throws CommandError unless the answer completed */
export async function chat(args: string[]): Promise<void> {
  const { values, positionals } = readArguments(
    {
      // A bare --think takes no value from the words behind it.
      args: args.map((arg) => (arg === '--think' ? '--think=true' : arg)),
      allowPositionals: true,
      options: OPTIONS,
    },
    'chat',
  );
  const { signal, stop } = interrupts();
  if (values.help) return write(process.stdout, HELP, signal);
  const url = serverUrl('url', values.url, 'chat');
  const fields = fieldsOf(values);
  const images = await imagesOf(values);
  const before = systemOf(values);

  const ask = async (messages: Message[], signal: AbortSignal): Promise<string> => {
    const output: Output = values.json ? new JsonOutput(signal) : new TextOutput(signal);
    const request = { messages, ...fields };
    try {
      const server = new ServerClient(url, signal, values['token-file']);
      await follow(server, '/llm/chat', request, signal, (record) => output.record(record));
    } finally {
      output.end();
    }
    return output.text;
  };

  if (positionals.length === 0) {
    stop();
    // A record has a line of its own.
    return converse(before, images, ask, values.json ? '' : '\n');
  }
  const words = positionals.join(' ');
  const content = words === '-' ? await readPrompt(signal) : words;
  if (content.trim() === '') throw new UsageError('There is no prompt.', 'chat');
  await ask([...before, questionOf(content, images)], signal);
}

/** All of stdin. @throws the signal's reason when it aborts */
async function readPrompt(signal: AbortSignal): Promise<string> {
  try {
    return await readAll(addAbortSignal(signal, process.stdin));
  } catch (error) {
    // The stream would say `AbortError`, whatever the reason is.
    signal.throwIfAborted();
    throw error;
  }
}

function systemOf({ system }: ChatOptions): Message[] {
  return system === undefined ? [] : [{ role: 'system', content: system }];
}
