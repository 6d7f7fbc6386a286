import { hashOfApiKey, KEY_ID, newApiKey } from '../access/api-key.js';
import { keyLine, type KeyLine } from '../access/key-ring.js';
import { fromEnvironment } from './environment.js';
import { limits, scope, tenantName, USUAL_SCOPES } from '../protocol/access.js';
import { readArguments } from './arguments.js';
import { UsageError } from './exit.js';
import { appendKey, readKeys, removeKeys } from './keys-file.js';
import { write } from './terminal.js';

const HELP = `Usage: llm-cast key create NAME [options]
       llm-cast key list [--file FILE]
       llm-cast key revoke NAME [--old] [--file FILE]

The API keys of backends. The file holds hashes only: a key is shown once, when it is made. A running
server reads the file anew within a second.

Options:
  --file FILE       the file (default API_KEYS_FILE, from the environment or .env)
  --scopes LIST     what the key may do: ${scope.options.join(', ')}
                    (default ${USUAL_SCOPES.join(',')})
  --tenant NAME     whose users it acts for (default NAME)
  --limits JSON     what it may use in all, such as {"tokensPerDay": 1000000}
  --old             revoke all but the newest key of that name: the end of a rotation
  -h, --help        print this
`;

/** Makes, lists and takes out API keys. @throws CommandError */
export async function key(args: string[], signal: AbortSignal): Promise<void> {
  const { values, positionals } = readArguments(
    {
      args,
      allowPositionals: true,
      options: {
        file: { type: 'string' },
        scopes: { type: 'string' },
        tenant: { type: 'string' },
        limits: { type: 'string' },
        old: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    },
    'key',
  );
  if (values.help === true) return write(process.stdout, HELP, signal);
  const [action = '', id, more] = positionals;
  const file = values.file ?? fromEnvironment('API_KEYS_FILE');
  if (file === undefined) throw new UsageError('There is no --file, and no API_KEYS_FILE.', 'key');
  if (more !== undefined) throw new UsageError(`${JSON.stringify(more)} is one too many.`, 'key');
  if (action === 'list' && id === undefined) {
    return write(process.stdout, listed(readKeys(file)), signal);
  }
  if (id === undefined || !KEY_ID.test(id)) {
    throw new UsageError('A name has 1 to 32 small letters, digits and dashes.', 'key');
  }
  switch (action) {
    case 'create': {
      const secret = newApiKey(id);
      appendKey(file, {
        ...parsed(id, values),
        sha256: hashOfApiKey(secret),
        createdAt: new Date().toISOString(),
      });
      console.error(`llm-cast: this key is shown once; ${file} holds its hash`);
      return write(process.stdout, `${secret}\n`, signal);
    }
    case 'revoke': {
      const taken = removeKeys(file, id, values.old === true);
      console.error(`llm-cast: taken out: ${taken}`);
      return;
    }
    default:
      throw new UsageError('What is to be done: create, list or revoke?', 'key');
  }
}

function parsed(
  id: string,
  values: { scopes?: string | undefined; tenant?: string | undefined; limits?: string | undefined },
): Pick<KeyLine, 'id' | 'tenant' | 'scopes' | 'limits'> {
  const scopes = values.scopes?.split(',').map((name) => name.trim());
  return {
    id,
    tenant: checked('tenant', tenantName.safeParse(values.tenant ?? id)),
    scopes: checked('scopes', scope.array().safeParse(scopes ?? USUAL_SCOPES)),
    limits: checked('limits', limits.safeParse(json(values.limits ?? '{}'))),
  };
}

function checked<T>(flag: string, result: { data?: T | undefined; success: boolean }): T {
  if (!result.success) throw new UsageError(`--${flag} is not well-formed.`, 'key');
  return result.data as T;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('--limits is not JSON.', 'key');
  }
}

function listed(lines: readonly string[]): string {
  const rows = lines.flatMap((line) => {
    const { data } = keyLine.safeParse(JSON.parse(line));
    if (data === undefined) return [];
    const { id, tenant = id, scopes, limits, createdAt = '' } = data;
    return [[id, tenant, scopes.join(','), createdAt, JSON.stringify(limits)].join('\t')];
  });
  return [['name', 'tenant', 'scopes', 'created', 'limits'].join('\t'), ...rows, ''].join('\n');
}
