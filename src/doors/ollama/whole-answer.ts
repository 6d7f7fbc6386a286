import type { Generation } from '../../generations/generation.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import { LineRenderer, type OllamaLine } from './line-renderer.js';

/**
 * All lines of a generation as the one object of a request that does not stream.
 * @returns undefined where it has not ended, or has no whole answer
 */
export function wholeAnswer(generation: Generation): OllamaLine | undefined {
  const { log } = generation;
  const renderer = new LineRenderer(generation);
  let last: OllamaLine | undefined;
  let content = '';
  let thinking = '';
  const calls: ToolCall[] = [];
  for (let seq = 0; seq < log.seq;) {
    const entry = log.read(seq);
    seq = entry.seq;
    for (const line of renderer.lines(entry)) {
      last = line;
      if ('error' in line) continue;
      const piece = 'message' in line ? line.message : { ...line, content: line.response };
      content += piece.content;
      thinking += piece.thinking ?? '';
      calls.push(...(piece.tool_calls ?? []));
    }
  }
  if (last === undefined || 'error' in last || !last.done) return undefined;
  const more = {
    ...(thinking !== '' && { thinking }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return 'message' in last
    ? { ...last, message: { role: 'assistant', content, ...more } }
    : { ...last, response: content, ...more };
}
