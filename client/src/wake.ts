/** Calls `wake` when there is reason to doubt the connection. @returns a function that ends it */
export type WakeSource = (wake: () => void) => () => void;

const NOTHING = (): void => undefined;

/**
 * The signals of a web page: the network is there again, or somebody looks at the page again.
 * Node.js and React Native have no such events, and there this does nothing.
 */
export const pageWakes: WakeSource = (wake) => {
  if (typeof addEventListener !== 'function') return NOTHING;
  const page = typeof document === 'undefined' ? undefined : document;
  const look = (): void => {
    if (page?.visibilityState === 'visible') wake();
  };
  addEventListener('online', wake);
  page?.addEventListener('visibilitychange', look);
  return () => {
    removeEventListener('online', wake);
    page?.removeEventListener('visibilitychange', look);
  };
};

/** Calls `leave` when the page goes away. @returns a function that ends it */
export function onPageHide(leave: () => void): () => void {
  if (typeof addEventListener !== 'function') return NOTHING;
  addEventListener('pagehide', leave);
  return () => removeEventListener('pagehide', leave);
}
