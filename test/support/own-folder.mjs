import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gives tests, and all programs that they start, a temporary folder that goes when they have ended. */
export default function () {
  const folder = mkdtempSync(join(tmpdir(), 'llm-cast-tests-'));
  // The workers of nginx are another user's; what they may read is in folders of its own.
  chmodSync(folder, 0o711);
  process.env.TMPDIR = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
}
