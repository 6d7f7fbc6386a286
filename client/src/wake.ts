/** Calls `wake` when there is reason to doubt the connection. @returns a function that ends it */
export type WakeSource = (wake: () => void) => () => void;

/**
 * The signals of a web page: the network is there again, or somebody looks at the page again.
 * Node.js and React Native have no such events, and there this does nothing.
 */
export const pageWakes: WakeSource = (wake) => {
  const page = typeof document === 'undefined' ? undefined : document;
  const stops = [
    on(globalThis, 'online', wake),
    on(page, 'visibilitychange', () => {
      if (page?.visibilityState === 'visible') wake();
    }),
  ];
  return () => stops.forEach((stop) => stop());
};

/** Calls `leave` when the page goes away. @returns a function that ends it */
export const onPageHide = (leave: () => void): (() => void) => on(globalThis, 'pagehide', leave);

/** @param target is no source of events outside of a page */
function on(target: Partial<EventTarget> | undefined, event: string, heard: () => void) {
  target?.addEventListener?.(event, heard);
  return (): void => target?.removeEventListener?.(event, heard);
}
