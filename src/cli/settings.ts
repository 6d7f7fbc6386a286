import { type Config } from '../config/config.js';
import { loadConfig } from '../config/load.js';
import { settingGroups, type SettingName as Name } from '../config/setting-groups.js';
import { settings } from '../config/settings.js';
import { description, version } from '../config/package.js';
import { exitWithReason, warnOfSetting } from './process.js';
import { readArguments } from './arguments.js';

const NAMES = Object.keys(settings.shape) as Name[];
const flagOf = (name: Name): string => name.toLowerCase().replaceAll('_', '-');
/** A setting that is on or off needs no value: only such a one reads `on` as true. */
const isSwitch = (name: Name): boolean => settings.shape[name].safeParse('on').data === true;

/**
 * Reads the flags of the server. Either they ask for an answer on stdout, or they are put into the
 * environment, over what stands there.
 * @throws UsageError for a flag that is not known
 */
export function answerOrApply(args: readonly string[]): string | undefined {
  const switches = new Set(NAMES.filter(isSwitch).map((name) => `--${flagOf(name)}`));
  const { values } = readArguments({
    args: args.map((arg) => (switches.has(arg) ? `${arg}=true` : arg)),
    options: {
      ...Object.fromEntries(NAMES.map((name) => [flagOf(name), { type: 'string' } as const])),
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
      'print-config': { type: 'boolean' },
    },
  });
  if (values.help === true) return help();
  if (values.version === true) return `${version}\n`;
  const given = new Map<string, unknown>(Object.entries(values));
  for (const name of NAMES) {
    const value = given.get(flagOf(name));
    if (typeof value === 'string') process.env[name] = value;
  }
  return values['print-config'] === true ? resolved() : undefined;
}

/** The settings as they are, in the form of a `.env` file. */
function resolved(): string {
  try {
    const config = loadConfig(undefined, warnOfSetting);
    return NAMES.map((name) => {
      const value = written(config[name]);
      return value === undefined ? `# ${name} is not set\n` : `${name}=${masked(name, value)}\n`;
    }).join('');
  } catch (error) {
    return exitWithReason(error);
  }
}

/** A value as one would write it in the environment. */
function written(value: Config[Name]): string | undefined {
  if (value === undefined || Array.isArray(value)) return value?.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Without keys, without what headers say, and without the password in a URL. */
function masked(name: Name, value: string): string {
  if (/_(KEY|TOKEN|SECRET|PASSWORD)$/.test(name)) return '***';
  if (name.endsWith('_HEADERS')) {
    const names = Object.keys(JSON.parse(value) as object);
    return JSON.stringify(Object.fromEntries(names.map((header) => [header, '***'])));
  }
  return value.replace(/(?<=\/\/)[^/]*@/g, '***@');
}

function help(): string {
  return `llm-cast ${version}: ${description}

Start a server:
  llm-cast [settings]              on Ollama, or on an OpenAI-compatible server
  llm-cast demo [settings]         on a built-in model; nothing else is needed
                                   (--lan: others in this network may use it too)
  llm-cast fake-ollama [switches]  an upstream for tests: slow, cut off and failing on purpose

Talk to a running server (--url, or LLM_CAST_URL; a key or token is that of LLM_CAST_TOKEN):
  llm-cast chat "prompt"           ask, and see the answer as it is written
  llm-cast chat                    a conversation
  llm-cast models                  which models there are
  llm-cast pull NAME               have Ollama download a model, with its progress
  llm-cast doctor [URL]            check the connection, and say what to mend

Examine a gateway of your own, or another's:
  llm-cast conformance URL         does a cut look like a cut, does Stop stop, ...

Let others in:
  llm-cast key create NAME         make, list and revoke the API keys of backends
  llm-cast token --sub USER        make a token of a user, to try it

Each command has its own --help. Besides the settings, the server takes:
  --print-config  print the settings as they are, without secrets, and start nothing
  -v, --version   print the version
  -h, --help      print this

Settings. A flag wins over the environment, and that over a file .env in the working directory.
There a setting has its name in capitals: PORT for --port, OLLAMA_BASE_URL for --ollama-base-url.
Keep keys there too: other users of a machine see the flags of a process.
${settingGroups()
  .map(({ title, names }) => `\n${title}:\n${names.map(row).join('')}`)
  .join('')}`;
}

function row(name: Name): string {
  const schema = settings.shape[name];
  const usual = written(schema.safeParse(undefined).data);
  const value = isSwitch(name) ? '[=false]' : ' <value>';
  const fallback = usual === undefined ? 'not set' : `default ${usual || 'empty'}`;
  return `  --${flagOf(name)}${value}  (${fallback})\n      ${schema.description}\n`;
}
