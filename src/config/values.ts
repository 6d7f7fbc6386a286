import { z } from 'zod';

export const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .meta({ expected: `a whole number from ${min} to ${max}` });

export const integer = (min: number, max: number, fallback: number) =>
  wholeNumber(min, max).default(fallback);

const ONE_DAY_MS = 86_400_000;
export const milliseconds = (fallback: number, min = 1) => integer(min, ONE_DAY_MS, fallback);

export const flag = (fallback: boolean) =>
  z.stringbool().meta({ expected: 'true or false' }).default(fallback);

export const list = (value: string) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/**
 * Turns what Ollama's own users write (`host`, `host:port`, `:port`, a URL with or without a path)
 * into a base URL without a trailing slash. Without a scheme the port is 11434, as in Ollama's
 * `envconfig.Host`; a bind-all address means this machine.
 */
function baseUrl(value: string): string {
  const bare = !/^https?:\/\//i.test(value);
  if (bare && value.includes('://')) throw new TypeError('neither http nor https');
  const url = new URL(bare ? `http://${hostOf(value)}` : value);
  if (bare && url.port === '' && !/:80(\/|$)/.test(value)) url.port = '11434';
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1';
  if (url.hostname === '[::]') url.hostname = '[::1]';
  // What Node is to send of them; it fails at a `%` that begins no character.
  decodeURIComponent(url.username + url.password);
  if (url.search !== '' || url.hash !== '') throw new TypeError('a base URL has no query');
  return url.href.replace(/\/+$/, '');
}

/** An IPv6 address may stand without its brackets; a port alone is of this machine. */
function hostOf(value: string): string {
  return z.ipv6().safeParse(value).success ? `[${value}]` : value.replace(/^:/, '127.0.0.1:');
}

export const upstreamUrl = z
  .string()
  .transform((value, context) => {
    try {
      return baseUrl(value);
    } catch {
      context.addIssue({ code: 'custom', message: 'not a URL' });
      return z.NEVER;
    }
  })
  .meta({ expected: 'an http or https URL, such as http://localhost:11434' });

/** Headers that llm-cast or the connection itself sets. */
const OWN_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Headers for each request to an upstream. */
export const headers = z
  .string()
  .transform((value, context): Record<string, string> => {
    try {
      const given = z.record(z.string(), z.string()).parse(JSON.parse(value));
      if (Object.entries(given).every(([name, said]) => isHeader(name, said))) return given;
    } catch {
      // Said below.
    }
    context.addIssue({ code: 'custom', message: 'not headers' });
    return z.NEVER;
  })
  .meta({
    expected:
      'a JSON object of headers, such as {"X-Title": "llm-cast"}, none of which llm-cast sets itself',
  });

function isHeader(name: string, value: string): boolean {
  return (
    /^[\w!#$%&'*+.^`|~-]+$/.test(name) &&
    !OWN_HEADERS.has(name.toLowerCase()) &&
    /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
  );
}

/** A key for an upstream, sent as a bearer token. */
export const apiKey = z
  .string()
  .regex(/^[\x21-\x7e]+$/)
  .meta({ expected: 'a key of printable ASCII characters' });

/** Addresses of a proxy, as `proxy-addr` takes them: one, a network, or one of its words. */
const proxyAddress = z.union([
  z.enum(['loopback', 'linklocal', 'uniquelocal']),
  z.ipv4(),
  z.ipv6(),
  // Every address is `true`.
  z.cidrv4().refine((network) => !network.endsWith('/0')),
  z.cidrv6().refine((network) => !network.endsWith('/0')),
]);

export const trustedProxies = z
  .string()
  .transform((value) =>
    /^\d{1,3}$/.test(value)
      ? Number(value)
      : /^(true|false)$/.test(value)
        ? value === 'true'
        : list(value),
  )
  .pipe(z.union([z.number(), z.boolean(), z.array(proxyAddress).min(1)]))
  .meta({ expected: 'true, false, a number of proxies, or addresses separated by commas' });

/** Names of container registries: `host` or `host:port`. */
export const registries = z
  .string()
  .transform(list)
  .pipe(
    z.array(
      z
        .string()
        .regex(/^(?=.{1,253}$)[\w.-]+(:\d{1,5})?$/)
        .toLowerCase(),
    ),
  )
  .meta({ expected: 'host names such as hf.co or registry.example.com:5000, separated by commas' });

export const jsonObject = z
  .string()
  .transform((value, context): Record<string, unknown> => {
    try {
      return z.record(z.string(), z.unknown()).parse(JSON.parse(value));
    } catch {
      context.addIssue({ code: 'custom', message: 'not a JSON object' });
      return z.NEVER;
    }
  })
  .meta({ expected: 'a JSON object, such as {"num_ctx": 8192}' });
