import type { Config } from './config.js';

/** Where clouds answer to their own machines, keys included. No model server is there. */
const METADATA =
  /^(169\.254\.169\.254|169\.254\.170\.2|100\.100\.100\.200|192\.0\.0\.192|\[fd00:ec2::254\]|metadata\.google\.internal)$/;
/** Link-local addresses: IPv4 (RFC 3927), IPv6 (RFC 4291). */
const LINK_LOCAL = /^(169\.254\.|\[fe[89ab][0-9a-f]:)/;

/** The upstreams, by the setting that names them. */
function upstreamsOf({ OLLAMA_BASE_URL, OPENAI_BASE_URL }: Config): [string, URL][] {
  return [
    ...OLLAMA_BASE_URL.map((url): [string, URL] => ['OLLAMA_BASE_URL', new URL(url)]),
    ...(OPENAI_BASE_URL === undefined
      ? []
      : [['OPENAI_BASE_URL', new URL(OPENAI_BASE_URL)] as [string, URL]]),
  ];
}

/** Why these settings must not start; undefined where they may. */
export function fatal(config: Config): string | undefined {
  const [name] = upstreamsOf(config).find(([, { hostname }]) => METADATA.test(hostname)) ?? [];
  return name && `${name} must not be the metadata address of a cloud: no model server is there.`;
}

/**
 * One sentence for each setting that has no effect, or another than it seems to have.
 * @param given what was set
 */
export function contradictions(config: Config, given: object): string[] {
  const isSet = (name: keyof Config): boolean => Object.hasOwn(given, name);
  const warnings: [boolean, string][] = [
    ...upstreamsOf(config).flatMap(([name, url]): [boolean, string][] => [
      [
        url.password !== '' || url.username !== '',
        `${name} has credentials in it: whoever sees the settings sees them.`,
      ],
      [
        LINK_LOCAL.test(url.hostname),
        `${name} is a link-local address, which is another machine in each network.`,
      ],
    ]),
    ...(['OPENAI_API_KEY', 'OPENAI_MODEL'] as const).map((name): [boolean, string] => [
      isSet(name) && config.OPENAI_BASE_URL === undefined,
      `${name} has no effect without OPENAI_BASE_URL.`,
    ]),
    [
      config.ALLOW_PULL && config.OLLAMA_BASE_URL.length === 0,
      'ALLOW_PULL has no effect without an Ollama.',
    ],
    [
      config.MAX_QUEUE_PER_USER > config.MAX_QUEUE,
      'MAX_QUEUE_PER_USER is more than MAX_QUEUE, which counts first.',
    ],
    ...(['FIRST_BYTE_TIMEOUT_MS', 'IDLE_TIMEOUT_MS'] as const).map((name): [boolean, string] => [
      config[name] > config.GENERATION_TIMEOUT_MS,
      `${name} is more than GENERATION_TIMEOUT_MS, which ends a generation first.`,
    ]),
    ...(['MAX_OUTPUT_BYTES', 'MAX_BODY_BYTES'] as const).map((name): [boolean, string] => [
      config[name] > config.MAX_LOG_BYTES,
      `${name} is more than MAX_LOG_BYTES, which all generations together may take.`,
    ]),
    [
      config.ALLOWED_HOSTS.includes('*'),
      'ALLOWED_HOSTS is *: pages of any name that leads here may use this server (DNS rebinding).',
    ],
  ];
  return warnings.flatMap(([applies, sentence]) => (applies ? [sentence] : []));
}
