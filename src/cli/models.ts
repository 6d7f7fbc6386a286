import { CLIENT_HELP, CLIENT_OPTIONS, readArguments, serverUrl } from './arguments.js';
import { formatBytes } from './format-bytes.js';
import { ServerClient } from './server-client.js';
import { printable, write } from './terminal.js';

const HELP = `Usage: llm-cast models [options]

Lists the models of a running llm-cast: name, upstream, size on disk, context in tokens, and
whether it is loaded.

Options:
  --json                 print what the server says of them, as JSON
${CLIENT_HELP}`;

const HEADER = ['NAME', 'UPSTREAM', 'SIZE', 'CONTEXT', 'LOADED'];

export async function models(args: string[], signal: AbortSignal): Promise<void> {
  const { values } = readArguments(
    { args, options: { ...CLIENT_OPTIONS, json: { type: 'boolean' } } },
    'models',
  );
  if (values.help) return write(process.stdout, HELP, signal);
  const url = serverUrl('url', values.url, 'models');
  const server = new ServerClient(url, signal, values['token-file']);
  const { models } = await server.models();
  if (values.json) {
    return write(process.stdout, `${JSON.stringify(models, undefined, 2)}\n`, signal);
  }
  const rows = models.map(({ name, upstream, size, contextLength, loaded }) => [
    name,
    upstream,
    size === null ? '-' : formatBytes(size),
    String(contextLength ?? '-'),
    loaded ? 'yes' : 'no',
  ]);
  await write(process.stdout, printable(process.stdout, table([HEADER, ...rows])), signal);
}

function table(rows: string[][]): string {
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}
