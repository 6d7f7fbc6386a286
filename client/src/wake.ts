/**
 * Calls back when a page has reason to doubt its connection: the network is there again, or somebody
 * looks at the page again. Does nothing where there is no page.
 * @returns ends it
 */
export function onWake(wake: () => void): () => void {
  if (typeof addEventListener !== 'function') return () => undefined;
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
}
