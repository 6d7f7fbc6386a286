import { settings } from './settings.js';

export type SettingName = keyof typeof settings.shape;

/** The groups in which people find the settings, in this order: what each is called, and which it has. */
const GROUPS: readonly (readonly [title: string, pattern: RegExp])[] = [
  ['Model servers and models', /^(OLLAMA|OPENAI|PULL|ALLOW_PULL|ALLOWED_MODELS|THINK)/],
  ['The waiting line', /^(MAX_CONCURRENT|MAX_QUEUE|QUEUE_|ROUTE_)/],
  ['Who asks, and how much', /^(API_KEY|JWT|LIMIT|ALLOW_ANONYMOUS|TRUST_CLIENT)/],
  ['Several nodes', /^(REDIS|NODE|CLUSTER)/],
  ['Logs, measurements and traces', /^(LOG|METRICS|OTEL)/],
  [
    'Times',
    /^(CONNECT_TIMEOUT|FIRST_BYTE|IDLE|GENERATION|ABANDON|RETAIN|DRAIN|SLOW_READER)\w*_MS$/,
  ],
  ['Sizes', /^(MAX|SOCKET)_\w*(BYTES|CHARS|TOKENS)$/],
  // What fits none of the others.
  ['Addresses and connections', /(?:)/],
];

/** Every setting, in its group. */
export function settingGroups(): { title: string; names: SettingName[] }[] {
  const names = Object.keys(settings.shape) as SettingName[];
  const groupOf = (name: SettingName) => GROUPS.find(([, pattern]) => pattern.test(name))!;
  return GROUPS.map((group) => ({
    title: group[0],
    names: names.filter((name) => groupOf(name) === group),
  }));
}
