import { median } from './clock.mjs';

/** Parts whose rows are compared, and the numbers of one run that go into the table. */
const COMPARED = [
  'norm',
  'cpuUs',
  'p50',
  'p99',
  'firstMs',
  'acceptedMs',
  'tokensPerSecond',
  'memoryMb',
  'kbPerStream',
  'readyMs',
  'streams',
  'overP99',
  'overMb',
];

/** @returns for each part, row and number: median, lowest and highest */
export function summarize(results) {
  const spread = (values) => ({
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
  });
  const ofRow = (runs) =>
    Object.fromEntries(
      COMPARED.filter((name) => runs.some((run) => Number.isFinite(run[name]))).map((name) => [
        name,
        spread(runs.map((run) => run[name])),
      ]),
    );
  return Object.fromEntries(
    Object.entries(results).map(([part, rows]) => [
      part,
      Object.fromEntries(Object.entries(rows).map(([row, runs]) => [row, ofRow(runs)])),
    ]),
  );
}

const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const shown = (number) =>
  number === undefined
    ? '–'
    : number.min === number.max
      ? digits(number.median)
      : `${digits(number.median)} (${digits(number.min)}–${digits(number.max)})`;
const ratio = (number, other) =>
  number === undefined || !(other?.median > 0) ? '–' : (number.median / other.median).toFixed(2);

function table(head, rows) {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const text = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`,
  );
  text.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return text.join('\n');
}

/** Columns of each kind of part; a ratio is that of the medians of this run. */
function columns(part, rows) {
  const { tutorial, 'bare ws': ws } = rows;
  const cpu = {
    'CPU ÷ tutorial': ({ norm }) => ratio(norm, tutorial?.norm),
    'CPU ÷ bare ws': ({ norm }) => ratio(norm, ws?.norm),
  };
  if (part === 'cold start') return { 'ready ms': ({ readyMs }) => shown(readyMs) };
  if (part === 'openai') {
    const { litellm, direct } = rows;
    return {
      'CPU ÷ litellm': ({ norm }) => ratio(norm, litellm?.norm),
      'µs a token': ({ cpuUs }) => shown(cpuUs),
      'p50 ms': ({ p50 }) => shown(p50),
      'p99 ms': ({ p99 }) => shown(p99),
      'first text p50 ms': ({ firstMs }) => shown(firstMs),
      'added ms': ({ firstMs }) =>
        firstMs === undefined || direct?.firstMs === undefined
          ? '–'
          : digits(firstMs.median - direct.firstMs.median),
    };
  }
  if (part === 'capacity' || part === 'half core') {
    return {
      'streams, p99 < 250 ms': ({ streams }) => shown(streams),
      '÷ tutorial': ({ streams }) => ratio(streams, tutorial?.streams),
      'p99 ms': ({ p99 }) => shown(p99),
      'p99 ms at 150 %': ({ overP99 }) => shown(overP99),
      'MB at 150 %': ({ overMb }) => shown(overMb),
    };
  }
  if (part === 'memory') {
    return {
      'KB a stream': ({ kbPerStream }) => shown(kbPerStream),
      '÷ tutorial': ({ kbPerStream }) => ratio(kbPerStream, tutorial?.kbPerStream),
    };
  }
  if (part.endsWith('nodes')) {
    const one = rows['one node'];
    return {
      'CPU ÷ one node': ({ norm }) => ratio(norm, one?.norm),
      [part === 'nodes' ? 'µs a token' : 'µs a start']: ({ cpuUs }) => shown(cpuUs),
      'p50 ms': ({ p50 }) => shown(p50),
      'p99 ms': ({ p99 }) => shown(p99),
      ...(part === 'nodes'
        ? { 'first token ms': ({ firstMs }) => shown(firstMs) }
        : { 'accepted ms': ({ acceptedMs }) => shown(acceptedMs) }),
    };
  }
  const latency = {
    'p50 ms': ({ p50 }) => shown(p50),
    'p99 ms': ({ p99 }) => shown(p99),
  };
  if (part.endsWith('starts')) {
    return { ...cpu, 'CPU µs a start': ({ cpuUs }) => shown(cpuUs), ...latency };
  }
  return {
    ...cpu,
    'CPU ÷ upstream': ({ norm }) => shown(norm),
    'µs a token': ({ cpuUs }) => shown(cpuUs),
    ...latency,
    'MB in all': ({ memoryMb }) => shown(memoryMb),
  };
}

function compared(part, rows) {
  const shownColumns = columns(part, rows);
  const head = ['', ...Object.keys(shownColumns)];
  const body = Object.entries(rows).map(([row, numbers]) => [
    row,
    ...Object.values(shownColumns).map((cell) => cell(numbers)),
  ]);
  return table(head, body);
}

const mb = (memory) =>
  Object.entries(memory)
    .map(([when, value]) => `${value.toFixed(0)} MB ${when}`)
    .join(', ');

const TOLD = {
  storm: ({ resumeMs, memoryMb, tokens }) =>
    `All resumed, text whole (${tokens} tokens): p50 ${digits(resumeMs.p50)}, p99 ` +
    `${digits(resumeMs.p99)}, last ${digits(resumeMs.max)} ms after the cut. Server: ${mb(memoryMb)}.`,
  stall: ({ before, after, memoryMb, stalledTokens }) =>
    `The others: p50/p99 ${digits(before.p50)}/${digits(before.p99)} ms before, ` +
    `${digits(after.p50)}/${digits(after.p99)} ms beside the stalled one, which read its ` +
    `${stalledTokens} tokens whole later. Server: ${mb(memoryMb)}.`,
  overload: ({ capacity, full, over, share }) =>
    `Capacity ${capacity} answers/s. At 100 %: ${digits(full.goodput)}/s, ${full.refused} refused. ` +
    `At 150 %: ${digits(over.goodput)}/s, ${over.refused} refused (p99 ${digits(over.refusalP99)} ms). ` +
    `Share ${(100 * share).toFixed(1)} %; most open at the upstream ${over.mostOpen}.`,
};

/** What ended each search for the capacity. */
function limits(rows) {
  return Object.entries(rows)
    .filter(([, runs]) => runs.some(({ limit }) => limit !== undefined))
    .map(([row, runs]) => `\n\n${row}: ended by ${runs.map(({ limit }) => limit).join(', ')}`)
    .join('');
}

/** The report as Markdown. */
export function tables({ date, machine, summary, runs }) {
  const { cpu, cores, pinned, os, node } = machine;
  const sections = Object.entries(summary).map(([part, rows]) => {
    const told = TOLD[part];
    const text =
      told === undefined
        ? compared(part, rows) + limits(runs[part])
        : (runs[part]['llm-cast'] ?? []).map(told).join('\n') || 'not counted';
    return `## ${part}\n\n${text}\n`;
  });
  return [
    `${date}, ${cpu}, ${cores} cores${pinned ? ' (pinned)' : ''}, ${os}, Node ${node}`,
    'Medians (lowest–highest); compare ratios inside one run only.\n',
    ...sections,
  ].join('\n');
}
