import type { Cast } from 'llm-cast-client';
import { onScopeDispose, ref } from 'vue';

/** A connection that is back sooner is not worth a word. */
const PATIENCE_MS = 1_500;

/** How the connection is: `offline` is this device's own doing. */
export function useConnection(cast: Cast) {
  const connection = ref<'up' | 'down' | 'offline'>('up');
  let patience: ReturnType<typeof setTimeout> | undefined;

  function look(): void {
    if (cast.connected) connection.value = 'up';
    else if (!navigator.onLine) connection.value = 'offline';
    else if (connection.value === 'offline') connection.value = 'down';
    else if (connection.value === 'up') {
      patience ??= setTimeout(() => {
        patience = undefined;
        if (!cast.connected) connection.value = navigator.onLine ? 'down' : 'offline';
      }, PATIENCE_MS);
    }
  }
  const unsubscribe = cast.subscribe(look);
  addEventListener('online', look);
  addEventListener('offline', look);
  onScopeDispose(() => {
    unsubscribe();
    clearTimeout(patience);
    removeEventListener('online', look);
    removeEventListener('offline', look);
  });
  look();
  return connection;
}
