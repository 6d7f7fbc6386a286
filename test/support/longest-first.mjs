import { existsSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import Sequencer from '@jest/test-sequencer';

/**
 * The files that take longest, the longest first. Jest goes by how long each took the last time, or,
 * where it was never here, by its size: then a long one that is small would begin last, and everything
 * would wait for it.
 */
const LONGEST = [
  'client/test/long/frameworks',
  'test/long/nginx',
  'test/cluster-store-faults',
  'test/cluster-faults',
  'test/long/demo',
  'test/attacks/bodies',
  'test/attacks/unread',
  'test/long/slow-reader',
  'test/cluster-rolling',
  'test/strangers/python',
  'test/long/doctor',
  'test/conformance',
  'test/long/ai-sdk-cuts',
  'web/test/survives',
  'web/test/doctor',
  'test/long/package',
  'web/test/markdown-chat',
  'test/strangers/snippets',
  'test/attacks/doors',
  'test/attacks/waiting',
  'test/attacks/packets',
  'client/test/token',
  'test/cluster',
  'test/drain',
  'test/strangers/ends',
  'client/test/long/examples',
  'test/cluster-handover',
  'test/long/short-tokens',
  'test/real/llama-server',
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
