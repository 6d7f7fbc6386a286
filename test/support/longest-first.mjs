import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Sequencer from '@jest/test-sequencer';

/**
 * The files that take longest, the longest first. Jest goes by how long each took the last time, or,
 * where it was never here, by its size: then a long one that is small would begin last, and everything
 * would wait for it.
 */
const LONGEST = [
  'test/strangers/python',
  'test/cluster-ends',
  'test/cluster-faults',
  'test/cluster-store-faults',
  'test/long/nginx',
  'test/long/demo',
  'test/attacks/unread',
  'test/cluster-rolling',
  'test/long/slow-reader',
  'test/real/llama-server',
  'web/test/survives',
  'web/test/doctor',
  'test/long/doctor',
  'test/conformance',
  'test/attacks/bodies',
  'test/attacks/doors',
  'test/attacks/packets',
  'client/test/token',
  'client/test/long/short-tokens',
  'client/test/long/examples',
  'web/test/markdown-chat',
  'web/test/accessible',
  'test/cli',
  'test/cluster-access',
  'test/cluster-handover',
  'test/long/ai-sdk-cuts',
  'web/test/conversations',
  'web/test/break-it',
  'test/first-minutes',
  'test/cluster',
  'test/strangers/snippets',
  'test/strangers/ends',
  'test/doors/openai-responses',
  'test/drain',
  'test/real/model',
  'test/real-servers',
  'web/test/markdown',
  'web/test/sign-in',
  'web/test/waiting',
  'web/test/chat',
  'test/long/faults',
  'test/long/short-tokens',
  'test/cluster-readers',
  'test/attacks/waiting',
  'test/doors/snippets',
  'test/doors/openai-truth',
  'test/doors/ai-sdk-truth',
  'test/doors/ollama-truth',
  'test/strangers/typescript',
].map((file) => `${file}.e2e-spec.ts`);

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const root = tests[0]?.context.config.rootDir ?? '';
    const gone = LONGEST.filter((file) => !existsSync(join(root, file)));
    if (tests.length > 0 && gone.length > 0) throw new Error(`no longer there: ${gone.join(', ')}`);
    const rankOf = ({ path }) => {
      const at = LONGEST.indexOf(relative(root, path).replaceAll(sep, '/'));
      return at === -1 ? LONGEST.length : at;
    };
    return super.sort(tests).toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}
