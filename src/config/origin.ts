import { z } from 'zod';

/** `https://*.example.com`: any name below `example.com`, which itself has two labels or more. */
const WILDCARD = /^(https?):\/\/\*((?:\.[\w-]+){2,})(:\d{1,5})?$/;
/** `capacitor://localhost`, `tauri://localhost`, `app://-`, `chrome-extension://<id>`: RFC 3986, section 3.1. */
const OTHER_SCHEME = /^[a-z][a-z\d+.-]*:\/\/[\w.-]+(:\d{1,5})?$/;

/**
 * An origin as browsers write it in `Origin`: in lower case and without the default port (RFC 6454,
 * section 6.2), so that it matches however the operator wrote it. A name may begin with `*.`.
 */
export const origin = z.string().transform((written, context) => {
  const value = written.toLowerCase();
  const [, scheme = '', domain = '', port = ''] = WILDCARD.exec(value) ?? [];
  const canonical =
    domain === '' ? exact(value) : exact(`${scheme}://x${domain}${port}`)?.replace('://x', '://*');
  if (canonical !== undefined) return canonical;
  context.addIssue({ code: 'custom', message: 'not an origin' });
  return z.NEVER;
});

function exact(value: string): string | undefined {
  if (!/^https?:/.test(value)) return OTHER_SCHEME.test(value) ? value : undefined;
  if (!/^https?:\/\/[^/?#@*\s\\]+$/.test(value) || !URL.canParse(value)) return undefined;
  const { origin, port } = new URL(value);
  return port === '0' ? undefined : origin;
}
