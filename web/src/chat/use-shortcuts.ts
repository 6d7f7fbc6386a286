import { onScopeDispose } from 'vue';
import { isForInputMethod } from './keys';

export interface Actions {
  begin: () => void;
  search: () => void;
  focus: () => void;
  stop: () => void;
  help: () => void;
}

/** As `ShortcutHelp` lists them. */
export const SHORTCUTS = [
  { keys: 'Enter', does: 'send' },
  { keys: 'Shift+Enter', does: 'a new line' },
  { keys: 'Esc', does: 'stop the answer' },
  { keys: '/', does: 'write a question' },
  { keys: 'Ctrl+Shift+O', does: 'begin a new conversation' },
  { keys: 'Ctrl+K', does: 'search the conversations' },
  { keys: '?', does: 'these shortcuts' },
];

/** The keys of the whole page. With ⌘ in the place of Ctrl, too. */
export function useShortcuts(actions: Actions): void {
  function onKey(event: KeyboardEvent): void {
    if (isForInputMethod(event)) return;
    const action = actionOf(event, actions);
    if (action === undefined) return;
    if (event.key !== 'Escape') event.preventDefault();
    action();
  }
  addEventListener('keydown', onKey);
  onScopeDispose(() => removeEventListener('keydown', onKey));
}

function actionOf(event: KeyboardEvent, actions: Actions): (() => void) | undefined {
  const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
  // What is open closes first, and a search ends.
  const isOpen = document.querySelector(':popover-open, dialog[open]') !== null;
  if (key === 'Escape') return isOpen || isSearch(event.target) ? undefined : actions.stop;
  if (altKey || isOpen) return undefined;
  if (ctrlKey || metaKey) {
    if (shiftKey) return key.toLowerCase() === 'o' ? actions.begin : undefined;
    return key === 'k' ? actions.search : undefined;
  }
  if (isField(event.target)) return undefined;
  if (key === '/') return actions.focus;
  return key === '?' ? actions.help : undefined;
}

/** Whether a browser empties this field with Escape. */
function isSearch(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement && target.type === 'search' && target.value !== '';
}

/** Whether what is typed goes somewhere. */
function isField(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select') !== null;
}
