/** Calls `wake` when there is reason to doubt the connection. @returns a function that ends it */
export type WakeSource = (wake: () => void) => () => void;

/**
 * The signals of a web page: the network is there again, or somebody looks at the page again.
 * Node.js and React Native have no such events, and there this does nothing.
 */
export const pageWakes: WakeSource = (wake) => {
  const page = globalThis.document as Document | undefined;
  const look = (): void => {
    if (page?.visibilityState === 'visible') wake();
  };
  const stopOnline = on('online', wake);
  const stopVisible = on('visibilitychange', look, page);
  return () => {
    stopOnline();
    stopVisible();
  };
};

/** Calls `leave` when the page goes away. @returns a function that ends it */
export const onPageHide = (leave: () => void): (() => void) => on('pagehide', leave);

/** @param target is no source of events outside of a page; the window of jsdom is not `globalThis` */
function on(
  event: string,
  heard: () => void,
  target: Partial<EventTarget> = globalThis.window ?? globalThis,
) {
  target.addEventListener?.(event, heard);
  return (): void => target.removeEventListener?.(event, heard);
}
