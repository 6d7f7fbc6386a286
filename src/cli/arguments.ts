import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError } from './exit.js';

/**
 * `parseArgs`, with one sentence for what it does not take.
 * @throws UsageError
 */
export function readArguments<const T extends ParseArgsConfig>(
  config: T,
  command?: string,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Node's own messages go on with advice.
    const [sentence = ''] = error.message.split(/\.\s|\n|\.$/);
    throw new UsageError(`${sentence}.`, command);
  }
}

const USUAL_URL = 'http://localhost:3000';

/** What every command takes that talks to a running server. */
export const CLIENT_OPTIONS = {
  url: { type: 'string', default: process.env['LLM_CAST_URL'] || USUAL_URL },
  'token-file': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;
export const CLIENT_HELP = `  --url URL              where llm-cast answers (default: LLM_CAST_URL, else ${USUAL_URL})
  --token-file FILE      the key or token that it asks for (default: LLM_CAST_TOKEN)
  -h, --help             print this
`;

/** The address of a server, without a trailing slash. @throws UsageError */
export function serverUrl(flag: string, text: string, command: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`--${flag} must be an http or https URL.`, command);
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError(
      `--${flag} must be without a user and a password: they would not be sent.`,
      command,
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
