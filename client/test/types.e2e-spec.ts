import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type * as answers from '../../src/protocol/answers.js';
import type * as errors from '../../src/protocol/errors.js';
import type * as refusals from '../../src/protocol/refusal.js';
import type * as records from '../../src/protocol/records.js';
import type * as requests from '../../src/protocol/requests.js';
import type * as events from '../../src/protocol/socket-events.js';
import type * as streamState from '../../src/protocol/stream-state.js';
import type * as terminal from '../../src/protocol/terminal-record.js';
import type * as client from '../src/index.js';

const run = promisify(execFile);
const root = new URL('..', import.meta.url);
const at = (path: string): string => fileURLToPath(new URL(path, root));

type Same<A, B> = [A, B] extends [B, A] ? true : false;

describe('the types of the client', () => {
  it("are those of the server's schemas (npm run client:types)", async () => {
    await run(process.execPath, [at('../scripts/client-types.mjs'), '--check']);
  });

  it('say the same as the types that the server is written with', () => {
    const same: [
      Same<client.StreamRecord, records.StreamRecord>,
      Same<client.StreamState, streamState.StreamState>,
      Same<client.TerminalRecord, terminal.TerminalRecord>,
      Same<client.Refusal, refusals.Refusal>,
      Same<client.ErrorCode, errors.ErrorCode>,
      Same<client.ChatRequest, requests.ChatRequest>,
      Same<client.GenerateRequest, requests.GenerateRequest>,
      Same<client.GenerationView, answers.GenerationView>,
      Same<client.ModelList, answers.ModelList>,
      Same<keyof client.ClientToServerEvents, keyof events.ClientToServerEvents>,
      Same<keyof client.ServerToClientEvents, keyof events.ServerToClientEvents>,
    ] = [true, true, true, true, true, true, true, true, true, true, true];
    expect(same).toHaveLength(11);
  });

  it('are published without zod, Nest or anything else that a user of the package has not got', () => {
    const files = readdirSync(at('dist'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.d.ts'),
    );
    const imported = files.flatMap((name) => {
      const text = readFileSync(at(`dist/${name}`), 'utf8');
      return [...text.matchAll(/(?:from|import\() ?['"]([^.'"][^'"]*)['"]/g)].map(
        ([, from]) => from,
      );
    });
    expect(files).toContain('index.d.ts');
    expect(new Set(imported)).toEqual(new Set(['socket.io-client', 'vue']));
  });
});

/** Never called: `npm run types` checks that what is wrong does not compile. */
export async function misuse(cast: client.Cast, record: client.StreamRecord): Promise<void> {
  // @ts-expect-error a chat has messages
  cast.chat({ prompt: 'why?' });
  // @ts-expect-error an unknown field is refused
  cast.generate({ prompt: 'why?', temperature: 1 });
  // @ts-expect-error that is not a role
  cast.chat({ messages: [{ role: 'robot', content: 'why?' }] });
  // @ts-expect-error options that reload the model are the operator's
  cast.generate({ prompt: 'why?', options: { num_ctx: 4096 } });
  // @ts-expect-error only a chunk has it
  void record.response;
  if ('state' in record) void record.sha256;
  const stream = cast.join('id', { known: { seq: 1, text: '' } });
  // @ts-expect-error the text grows by itself
  stream.text = '';
  for await (const part of stream) void part.length;
  const result = await stream.result;
  void result.verified;
  // @ts-expect-error only a completed answer has a finish reason
  void result.finishReason;
  if (result.state === 'completed') void result.finishReason;
  // @ts-expect-error a code that there is not
  if (stream.view.error?.code === 'queue_ful') void 0;
}
