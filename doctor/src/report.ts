import type { Finding } from './finding.js';

/** How many findings are how. */
export function summary(findings: readonly Finding[]): string {
  const count = (status: Finding['status']): number =>
    findings.filter((finding) => finding.status === status).length;
  const warnings = count('warning');
  const told = [
    `${count('ok')} ok`,
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
    ...(count('failed') > 0 ? [`${count('failed')} failed`] : []),
    ...(count('skipped') > 0 ? [`${count('skipped')} skipped`] : []),
  ];
  return `${told.join(', ')}.`;
}

const INDENT = ' '.repeat(10);

/** A finding as lines of plain text, with how to mend it below. */
export function written({ status, title, what, mend }: Finding): string {
  const lines = [
    `${status.padEnd(INDENT.length)}${title}: ${what}`,
    ...(mend === undefined ? [] : [`${INDENT}${mend.how}`]),
    ...(mend?.lines?.split('\n').map((line) => `${INDENT}    ${line}`) ?? []),
  ];
  return `${lines.join('\n')}\n`;
}
