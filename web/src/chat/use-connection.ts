import type { Cast } from 'llm-cast-client';
import { onScopeDispose, ref } from 'vue';

/** The client has no event for it, and looking costs nothing. */
const LOOK_MS = 500;
/** A connection that is back sooner is not worth a word. */
const PATIENCE_MS = 1_500;

/** How the connection is: `offline` is this device's own doing. */
export function useConnection(cast: Cast) {
  const connection = ref<'up' | 'down' | 'offline'>('up');
  let upAt = Date.now();

  function look(): void {
    if (cast.connected) upAt = Date.now();
    if (cast.connected) connection.value = 'up';
    else if (!navigator.onLine) connection.value = 'offline';
    else if (Date.now() > upAt + PATIENCE_MS) connection.value = 'down';
  }
  const timer = setInterval(look, LOOK_MS);
  onScopeDispose(() => clearInterval(timer));
  return connection;
}
