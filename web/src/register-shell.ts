/** Has the browser keep the page, so that it opens, with its conversations, also without the server. */
export function registerShell(): void {
  // Only where the page came over HTTPS or from this machine; not while it is developed.
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  addEventListener('load', () => {
    navigator.serviceWorker.register('sw.js').catch(() => {
      // Blocked: then it is a page as others are.
    });
  });
}
