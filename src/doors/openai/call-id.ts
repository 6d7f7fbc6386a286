import type { Generation } from '../../generations/generation.js';

/** The id of a call of a tool whose upstream gave it none. @param index of the call in its answer */
export function callId({ id }: Pick<Generation, 'id'>, index: number): string {
  return `call_${id}_${index}`;
}
