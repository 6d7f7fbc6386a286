import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Sequencer from '@jest/test-sequencer';

/**
 * The files that take longest, the longest first. Jest goes by how long each took the last time, or,
 * where it was never here, by its size: then a long one that is small would begin last, and everything
 * would wait for it.
 */
const LONGEST = [
  'test/cluster-ends',
  'client/test/long/frameworks',
  'test/long/nginx',
  'test/cluster-store-faults',
  'test/cluster-faults',
  'test/long/demo',
  'test/attacks/bodies',
  'client/test/token',
  'test/cluster-rolling',
  'test/long/slow-reader',
  'test/cluster-handover',
  'test/long/doctor',
  'test/conformance',
  'test/drain',
  'test/strangers/python',
  'test/attacks/waiting',
  'test/attacks/doors',
  'test/attacks/packets',
  'web/test/survives',
  'web/test/doctor',
  'web/test/markdown-chat',
  'test/strangers/snippets',
  'test/real/llama-server',
  'test/cluster',
  'test/cluster-access',
  'test/attacks/unread',
  'client/test/long/examples',
  'test/long/package',
  'web/test/break-it',
  'web/test/accessible',
  'web/test/conversations',
  'test/real-servers',
  'test/cli',
  'test/long/ai-sdk-cuts',
  'test/strangers/ends',
  'test/long/short-tokens',
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
