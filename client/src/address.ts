/** Where a server is: `url` without its path, and the path without a trailing slash. */
export interface Address {
  origin: string;
  path: string;
}

/**
 * Reads `https://host`, `https://host/below/a/path`, or `/` and `/path` on the host of the page.
 * Without `URL`, of which React Native has only a part.
 * @throws TypeError where it is neither: a connection to `localhost:4321` would be tried in vain
 */
export function addressOf(url: string): Address {
  if (url === '' || url.startsWith('/')) return { origin: '', path: bare(url) };
  const [, origin, path] = /^(https?:\/\/[^/?#\s]+)([^?#\s]*)$/i.exec(url) ?? [];
  if (origin !== undefined) return { origin, path: bare(path!) };
  throw new TypeError(
    `The address of the server must begin with http://, https:// or /, and hold no ? or #: ${url}`,
  );
}

/** Without a trailing slash. */
export const bare = (url: string): string => url.replace(/\/+$/, '');
