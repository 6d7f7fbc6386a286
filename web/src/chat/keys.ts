/**
 * Whether an input method takes this key for itself, as Enter and Escape while somebody writes
 * Chinese. Safari ends the composition before the key, and only the old key code still tells.
 */
export function isForInputMethod({ isComposing, keyCode }: KeyboardEvent): boolean {
  return isComposing || keyCode === 229;
}

const touch = matchMedia('(hover: none) and (pointer: coarse)');

/** Whether fingers are what this device is used with: then its keyboard covers half of the page. */
export const isTouch = (): boolean => touch.matches;

/** Whether this Enter sends. On a touch keyboard it is a new line: there is no Shift+Enter. */
export function isSend(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || isForInputMethod(event)) return false;
  if (event.ctrlKey || event.metaKey) return true;
  return !event.shiftKey && !isTouch();
}
