import { computed, ref } from 'vue';
import { browserStorage } from './browser-storage';

const KEY = 'llm-cast theme';
const THEMES = ['system', 'light', 'dark'] as const;

const theme = ref(THEMES.find((one) => one === browserStorage.read(KEY)) ?? 'system');

/** Light, dark, or as the system has it. `net.js` applies it before anything is drawn. */
export function useTheme() {
  function next(): void {
    theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!;
    document.documentElement.dataset['theme'] = theme.value;
    browserStorage.write(KEY, theme.value === 'system' ? null : theme.value);
  }
  return { theme: computed(() => theme.value), next };
}
