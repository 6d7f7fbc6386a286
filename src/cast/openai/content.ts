import { CastError } from '../../protocol/errors.js';
import { isObject } from '../decoding/json.js';

/** Deepest list of parts inside a part. */
const MAX_DEPTH = 8;

type Tell = (kind: 'text' | 'thinking' | 'refusal', text: string) => void;

/**
 * Tells the texts of a `content` that is no plain text: a list of parts, or one part. A thinking part
 * holds its text in `thinking`, as text or as a list of parts (Mistral). A part of a type that has no
 * text, such as a reference or an image, says nothing.
 * @param kind what a plain text is
 * @throws CastError `upstream_protocol_error` for what is neither text nor a part
 */
export function readContent(
  content: unknown,
  kind: 'text' | 'thinking' | 'refusal',
  tell: Tell,
  depth = 0,
): void {
  if (content === undefined || content === null) return;
  if (typeof content === 'string') return tell(kind, content);
  if (depth > MAX_DEPTH) throw new CastError('upstream_protocol_error');
  if (Array.isArray(content)) {
    for (const part of content as unknown[]) readContent(part, kind, tell, depth + 1);
    return;
  }
  if (!isObject(content)) throw new CastError('upstream_protocol_error');
  const { type } = content;
  if (typeof type === 'string' && /think|reason/i.test(type)) {
    const said = content['thinking'] ?? content['reasoning'] ?? content['summary'];
    return readContent(said ?? content['text'] ?? content['content'], 'thinking', tell, depth + 1);
  }
  if (typeof content['refusal'] === 'string') return tell('refusal', content['refusal']);
  const said = content['text'] ?? content['content'] ?? content['value'];
  if (said !== undefined && said !== null) return readContent(said, kind, tell, depth + 1);
  if (typeof type !== 'string') throw new CastError('upstream_protocol_error');
}
