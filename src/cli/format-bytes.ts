const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Bytes for people, in powers of 1000 as Ollama writes them: `2.0 GB`. */
export function formatBytes(bytes: number): string {
  const power = Math.floor(Math.log10(Math.max(bytes, 1)) / 3);
  const index = Math.min(power, UNITS.length - 1);
  return `${(bytes / 1000 ** index).toFixed(index === 0 ? 0 : 1)} ${UNITS[index]}`;
}
