import { Refusal } from './refusal.js';

const DEFAULT_MS = 300_000;

// Go's longest duration, 292 years: what a real Ollama makes of "for ever".
const FOREVER_MS = 2 ** 63 / 1e6;

const MS = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Reads `keep_alive`: a number of seconds or a Go duration such as `"1h30m"`; negative = for ever,
 * absent = 5 minutes. Returns ms, 0 or more.
 */
export function keepAliveMs(value: unknown): number {
  if (value === undefined || value === null) return DEFAULT_MS;
  const ms = typeof value === 'number' ? value * 1000 : durationMs(value);
  return ms < 0 ? FOREVER_MS : Math.min(ms, FOREVER_MS);
}

function durationMs(value: unknown): number {
  if (typeof value !== 'string') {
    throw new Refusal(400, `Unsupported type: '${typeof value}'`);
  }
  const [, sign, amounts = ''] = /^([-+]?)(.*)$/s.exec(value) ?? [];
  if (amounts === '0') return 0;
  if (/^[\d.]+$/.test(amounts)) {
    throw new Refusal(400, `time: missing unit in duration ${JSON.stringify(value)}`);
  }
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(amounts)) {
    throw new Refusal(400, `time: invalid duration ${JSON.stringify(value)}`);
  }
  let ms = 0;
  for (const [, amount, unit] of amounts.matchAll(/([\d.]+)(\D+)/g)) {
    ms += Number(amount) * MS[unit as keyof typeof MS];
  }
  return sign === '-' ? -ms : ms;
}
