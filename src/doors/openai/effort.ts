import type { ChatFields } from '../../protocol/model-fields.js';
import { notServed } from '../refused.js';

/** OpenAI's `reasoning_effort` → `think`. */
const THINK: Readonly<Record<string, NonNullable<ChatFields['think']>>> = {
  none: false,
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'max',
  max: 'max',
};

/** @throws CastError `invalid_request` for an effort that nobody knows */
export function effortOf(effort: string | undefined, path: string): ChatFields['think'] {
  if (effort === undefined) return undefined;
  const think = THINK[effort];
  if (think === undefined) throw notServed(path, `one of ${Object.keys(THINK).join(', ')}`);
  return think;
}
