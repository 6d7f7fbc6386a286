const WIDTH = 640;
const LABEL = 110;
const BAR = 18;
const GAP = 6;

/** The bars of one number; the longest fills the width. */
function group(title, rows, number, unit, top) {
  const values = Object.entries(rows)
    .map(([row, numbers]) => [row, numbers[number]?.median])
    .filter(([, value]) => value > 0);
  const longest = Math.max(...values.map(([, value]) => value));
  const bars = values.map(([row, value], at) => {
    const y = top + 26 + at * (BAR + GAP);
    const width = Math.max(2, (value / longest) * (WIDTH - LABEL - 110));
    const text = value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
    return (
      `<text x="${LABEL - 8}" y="${y + 13}" text-anchor="end">${row}</text>` +
      `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" class="${row === 'llm-cast' ? 'ours' : 'other'}"/>` +
      `<text x="${(LABEL + width + 8).toFixed(1)}" y="${y + 13}">${text} ${unit}</text>`
    );
  });
  const height = 26 + values.length * (BAR + GAP) + 16;
  return {
    height,
    svg: `<text x="0" y="${top + 14}" class="title">${title}</text>${bars.join('')}`,
  };
}

/** The README's chart. */
export function chart({ date, machine, summary }) {
  const wanted = [
    ['500x40', 'norm', 'CPU a token (the upstream’s = 1), 500 streams of 40 tokens/s', ''],
    ['500x40', 'p99', 'Latency of a token, p99, at that load', 'ms'],
    ['2000x20', 'p99', 'Latency of a token, p99, 2,000 streams of 20 tokens/s', 'ms'],
    ['capacity', 'streams', 'Streams of 40 tokens/s on one core with p99 below 250 ms', 'streams'],
  ].filter(([part]) => summary[part] !== undefined);
  let top = 4;
  let body = '';
  for (const [part, number, title, unit] of wanted) {
    const { svg, height } = group(title, summary[part], number, unit, top);
    body += `${svg}\n`;
    top += height;
  }
  const foot = `${date.slice(0, 10)}, ${machine.cpu}, Node ${machine.node}; npm run bench`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + 20}" width="${WIDTH}" height="${top + 20}" role="img" aria-label="llm-cast measured against its peers">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.ours { fill: #1a7f37 }
.other { fill: #8c959f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>
${body}<text x="0" y="${top + 12}" font-size="10">${foot}</text>
</svg>
`;
}
