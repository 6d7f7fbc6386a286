import { readFile } from 'node:fs/promises';
import { CommandError, EXIT } from './exit.js';

/** What a token or a key can be made of (RFC 6750, section 2.1), and how much of it a server reads. */
const CREDENTIAL = /^[\w.~+/=-]{1,4096}$/;

/** How one gives a credential; never in the command line, which others on the machine can read. */
export const HOW_TO_GIVE = 'Give it in LLM_CAST_TOKEN, or in a file with --token-file.';

/**
 * The key or token that a command shows the server: in the file, read anew each time, so that a new
 * token can be put there while the command runs; else of `LLM_CAST_TOKEN`.
 * @returns undefined where none is given
 * @throws CommandError for what is no key and no token
 */
export async function credentialOf(file: string | undefined): Promise<string | undefined> {
  const where = file === undefined ? 'LLM_CAST_TOKEN' : `--token-file ${file}`;
  const text = file === undefined ? process.env['LLM_CAST_TOKEN'] : await contentOf(file);
  const credential = text?.trim();
  if (file === undefined && !credential) return undefined;
  if (credential !== undefined && CREDENTIAL.test(credential)) return credential;
  throw new CommandError(`${where} holds no key or token.`, EXIT.failed);
}

async function contentOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(`--token-file ${file} cannot be read: ${code}.`, EXIT.failed);
  }
}
