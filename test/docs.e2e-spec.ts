import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { settingGroups } from '../src/config/setting-groups.js';
import { settings } from '../src/config/settings.js';
import { MAX_UNANSWERED } from '../src/http/pipelining.js';
import { MAX_HEADERS } from '../src/http/request-form.js';
import { MAX_UNREAD_BYTES } from '../src/http/unread-output.js';
import { HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from '../src/http/security.js';
import { BODY_MS, MAX_UNFINISHED_BODIES, MIN_BYTES_PER_MS } from '../src/http/unfinished-input.js';
import { ERRORS } from '../src/protocol/errors.js';
import { MAX_JSON_LEVELS, MAX_JSON_VALUES } from '../src/protocol/json-values.js';
import {
  MAX_IMAGES,
  MAX_MESSAGES,
  MAX_TOOL_CALLS,
  MAX_TOOLS,
} from '../src/protocol/model-fields.js';
import { clientEvents, serverEvents } from '../src/protocol/socket-events.js';
import { MAX_CONNECT_CHARS } from '../src/socket/packet-form.js';
import {
  MAX_WAITING_PACKETS,
  PACKET_BURST,
  PACKETS_PER_SECOND,
} from '../src/socket/packet-limits.js';
import { startApp } from './support/app.js';
import { ScriptedUpstream } from './support/scripted-upstream.js';
import { read, ROOT, section, tableIn } from './support/tables.js';

/*
 * What the documents repeat from the code. `UPDATE_DOCS=1 npm test -- test/docs && npm run format`
 * writes the settings, `.env.example` and the error codes anew.
 */

/** In the order of the table. */
const BOUNDS = {
  MAX_UNANSWERED,
  MAX_HEADERS,
  HEADERS_TIMEOUT_MS,
  BODY_MS,
  MIN_BYTES_PER_MS,
  REQUEST_TIMEOUT_MS,
  MAX_UNFINISHED_BODIES,
  MAX_JSON_VALUES,
  MAX_JSON_LEVELS,
  PACKETS_PER_SECOND,
  PACKET_BURST,
  MAX_WAITING_PACKETS,
  MAX_UNREAD_BYTES,
  MAX_MESSAGES,
  MAX_IMAGES,
  MAX_TOOLS,
  MAX_TOOL_CALLS,
  MAX_CONNECT_CHARS,
};

const DEFAULTS = settings.parse({});
type Setting = keyof typeof DEFAULTS;

const SETTINGS = Object.entries(settings.shape).map(([name, schema]) => ({
  name,
  fallback: written(DEFAULTS[name as Setting]),
  description: schema.description ?? '',
}));

/** Those that the README names: with them most people get along. */
const FIRST_SETTINGS = [
  'PORT',
  'HOST',
  'SOCKET_PORT',
  'OLLAMA_BASE_URL',
  'OLLAMA_MODEL',
  'OPENAI_BASE_URL',
  'OPENAI_MODEL',
  'CORS_ORIGINS',
  'JWT_SECRET',
  'MAX_CONCURRENT',
  'ABANDON_AFTER_MS',
];
const FIRST_TABLE = settingsTable(FIRST_SETTINGS);

/** The tables of docs/settings.md, each under its heading. */
const GROUP_TABLES = settingGroups().map(({ title, names }) => ({
  title,
  table: settingsTable(names),
}));

const ERROR_TABLE = [
  ['code', 'status', 'retry', 'meaning'],
  ...Object.entries(ERRORS).map(([code, { status, retryable, message }]) => [
    `\`${code}\``,
    String(status),
    retryable ? 'yes' : 'no',
    message,
  ]),
];

const ENV_EXAMPLE = [
  '# Settings of llm-cast. Copy to .env and take the # off the lines that you change.',
  ...SETTINGS.flatMap(({ name, fallback, description }) => [
    '',
    `# ${description}.`,
    `#${name}=${fallback}`,
  ]),
  '',
].join('\n');

if (process.env['UPDATE_DOCS'] !== undefined) {
  writeTable('README.md', 'settings', FIRST_TABLE);
  writeSection(
    'docs/settings.md',
    'settings',
    GROUP_TABLES.map(({ title, table }) => `## ${title}\n\n${markdownOf(table)}`).join('\n\n'),
  );
  writeTable('docs/protocol.md', 'errors', ERROR_TABLE);
  writeFileSync(join(ROOT, '.env.example'), ENV_EXAMPLE);
}

describe('the documents', () => {
  it('README lists the first settings with their defaults and descriptions', () => {
    expect(tableIn('README.md', 'settings')).toEqual(FIRST_TABLE);
  });

  it('docs/settings.md lists every setting in its group, with its default and description, and no other', () => {
    const text = section('docs/settings.md', 'settings');
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual(
      GROUP_TABLES.map(({ title }) => title),
    );
    expect(tableIn('docs/settings.md', 'settings')).toEqual(
      GROUP_TABLES.flatMap(({ table }) => table),
    );
    expect(GROUP_TABLES.flatMap(({ table }) => table.slice(1))).toHaveLength(SETTINGS.length);
  });

  it('.env.example lists every setting with its default and its description, and no other', () => {
    expect(read('.env.example')).toBe(ENV_EXAMPLE);
  });

  it('every setting is described', () => {
    expect(SETTINGS.filter(({ description }) => description === '')).toEqual([]);
  });

  it('the protocol lists every error code as the code has it, and no other', () => {
    expect(tableIn('docs/protocol.md', 'errors')).toEqual(ERROR_TABLE);
  });

  it.each([
    ['server', serverEvents],
    ['client', clientEvents],
  ])('the protocol lists every event from the %s, and no other', (side, events) => {
    const listed = tableIn('docs/protocol.md', `${side}-events`).slice(1);
    expect(new Set(listed.map(([event]) => event))).toEqual(
      new Set(Object.keys(events).map((event) => `\`${event}\``)),
    );
  });

  it('the operations list every bound with its value, and no other', () => {
    const listed = tableIn('docs/operations.md', 'bounds').slice(1);
    expect(listed.map(([name, value]) => [name, value])).toEqual(
      Object.entries(BOUNDS).map(([name, value]) => [`\`${name}\``, String(value)]),
    );
  });

  it('every event is named in the README', () => {
    const readme = read('README.md');
    const missing = Object.keys({ ...serverEvents, ...clientEvents }).filter(
      (event) => !readme.includes(`\`${event}\``),
    );
    expect(missing).toEqual([]);
  });

  it('the protocol lists every route that is served, and no other', async () => {
    const app = await startApp();
    try {
      const served = (await (await fetch(`${app.url}/docs-json`)).json()) as {
        paths: Record<string, object>;
      };
      const routes = Object.entries(served.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map(
          (method) => `\`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}\``,
        ),
      );
      const listed = tableIn('docs/protocol.md', 'routes').slice(1);
      expect(new Set(listed.map(([route]) => route))).toEqual(new Set(routes));
    } finally {
      await app.close();
    }
  });

  it('every relative link leads to a file, and every anchor to a heading', () => {
    expect(markdownFiles().flatMap(brokenLinks)).toEqual([]);
  });

  it('every npm script that a document names exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const unknown = markdownFiles().flatMap((file) =>
      [...read(file).matchAll(/\bnpm (?:run ([\w:-]+)|(start|test)\b)/g)]
        .map(([, run, short]) => run ?? short ?? '')
        .filter((script) => scripts[script] === undefined)
        .map((script) => `${file}: ${script}`),
    );
    expect(unknown).toEqual([]);
  });

  it('every setting that a document names exists', () => {
    const known = new Set([
      ...SETTINGS.map(({ name }) => name),
      ...Object.keys(BOUNDS),
      ...FOREIGN,
    ]);
    const unknown = markdownFiles().flatMap((file) =>
      [...read(file).matchAll(/\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b/g)]
        .map(([name]) => name)
        .filter((name) => !known.has(name))
        .map((name) => `${file}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it("the README's tutorial runs as it stands", async () => {
    const code = /^```js\n(.*?)^```$/ms.exec(section('README.md', 'tutorial'))?.[1];
    const upstream = await ScriptedUpstream.start();
    const app = await startApp({ OLLAMA_BASE_URL: upstream.url });
    const here = (code ?? '')
      .replace('http://localhost:3000', app.url)
      .replace('http://localhost:4321', app.socketUrl);
    const child = spawn(process.execPath, ['--input-type=module', '--eval', here], { cwd: ROOT });
    try {
      const said: Buffer[] = [];
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (bytes: Buffer) => said.push(bytes));
      }
      const closed = once(child, 'close');
      (await upstream.nextCall()).text('The sky').text(' is blue').done();
      expect(await closed).toEqual([0, null]);
      const output = Buffer.concat(said).toString();
      expect(output).toMatch(/^201 /);
      expect(output).toMatch(/completed The sky is blue\n$/);
    } finally {
      child.kill();
      await app.close();
      await upstream.close();
    }
  });
});

/** Names in capitals that are not ours. */
const FOREIGN = [
  'OLLAMA_HOST',
  'OLLAMA_NUM_PARALLEL',
  'NODE_ENV',
  'UPDATE_DOCS',
  // Where the command line and the examples find a server.
  'LLM_CAST_URL',
  'LLM_CAST_SOCKET_URL',
  'LLM_CAST_TOKEN',
  // What tests with real programs look for.
  'LLAMA_SERVER',
  'LLAMA_MODEL',
  'OLLAMA_TEST_URL',
  'OLLAMA_TEST_MODEL',
  'STRANGERS_PYTHON',
  // What the SDK of OpenTelemetry reads.
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_TRACES_SAMPLER',
  // Of Open WebUI.
  'OPENAI_API_BASE_URL',
];

/** A value as one would write it into the environment. */
function written(value: (typeof DEFAULTS)[Setting]): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.join(',');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

function settingsTable(names: readonly string[]): string[][] {
  return [
    ['setting', 'default', 'what it is for'],
    ...names.map((name) => {
      const { fallback, description } = SETTINGS.find((one) => one.name === name)!;
      return [`\`${name}\``, fallback === '' ? '' : `\`${fallback}\``, description];
    }),
  ];
}

function markdownOf([heading = [], ...rows]: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
}

function writeTable(file: string, name: string, table: string[][]): void {
  writeSection(file, name, markdownOf(table));
}

function writeSection(file: string, name: string, text: string): void {
  const [before = '', rest = ''] = read(file).split(`<!-- ${name} -->`);
  const [, after = ''] = rest.split(`<!-- /${name} -->`);
  const block = `<!-- ${name} -->\n\n${text}\n\n<!-- /${name} -->`;
  writeFileSync(join(ROOT, file), before + block + after);
}

function markdownFiles(): string[] {
  return ['.', 'docs'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(folder, file)),
  );
}

function brokenLinks(file: string): string[] {
  const links = [...read(file).matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)];
  return links
    .map(([, inline, attribute]) => inline ?? attribute ?? '')
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? file : join(dirname(file), path);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    })
    .map((link) => `${file}: ${link}`);
}

/** As GitHub makes them from headings. */
function anchorsOf(file: string): string[] {
  return [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
