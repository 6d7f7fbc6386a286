import { onScopeDispose, ref, watch } from 'vue';

/** What stands behind the # of the address: a reload, a bookmark and Back keep it. */
export function useAddress() {
  const read = (): string => location.hash.slice(1);
  const fragment = ref(read());
  const look = (): void => void (fragment.value = read());
  addEventListener('hashchange', look);
  onScopeDispose(() => removeEventListener('hashchange', look));
  watch(
    fragment,
    (now) => {
      if (now !== read()) history.pushState(null, '', now === '' ? location.pathname : `#${now}`);
    },
    // Before anything else looks at the address.
    { flush: 'sync' },
  );
  return fragment;
}
