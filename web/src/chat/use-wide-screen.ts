import { onScopeDispose, ref } from 'vue';

/** Whether there is room for the conversations beside the chat. */
export function useWideScreen() {
  const query = matchMedia('(min-width: 52rem)');
  const isWide = ref(query.matches);
  const look = (): void => void (isWide.value = query.matches);
  query.addEventListener('change', look);
  onScopeDispose(() => query.removeEventListener('change', look));
  return isWide;
}
