import type { Link } from './link.js';
import type { ReportRequest } from './protocol.js';
import type { Reader } from './reader.js';

/** Most lags that are kept of one answer; of a longer one every second, fourth, eighth … record counts. */
const MAX_LAGS = 1_000;
/** A part of records that is told of besides the half. */
const MOST = 0.95;

/**
 * Measures what the user feels of one answer, and tells the server when it is over. The upstream's
 * clock need not be right: the record that took least is taken to have come in half a round trip.
 */
export function reportFelt(reader: Reader, link: Link): void {
  const lags: number[] = [];
  let every = 1;
  let records = 0;
  let cuts = 0;
  let resumes = 0;
  let { connected } = reader.view;

  reader.onRecord((record) => {
    const madeAt = Date.parse('created_at' in record ? record.created_at : '');
    if (Number.isNaN(madeAt) || records++ % every !== 0) return;
    lags.push(Date.now() - madeAt);
    if (lags.length < MAX_LAGS) return;
    every *= 2;
    for (let at = 0; at < MAX_LAGS / 2; at++) lags[at] = lags[2 * at]!;
    lags.length = MAX_LAGS / 2;
  });
  reader.subscribe(() => {
    const { view } = reader;
    if (connected && !view.connected) cuts++;
    // The first connection of all is no return.
    else if (!connected && view.connected && cuts > 0) resumes++;
    ({ connected } = view);
    if (view.result !== undefined) tell(view.result.verified);
  });
  const tell = (whole: boolean): void => {
    const { generationId } = reader.view;
    if (generationId === undefined || lags.length === 0) return;
    lags.sort((one, other) => one - other);
    const at = (part: number): number => {
      const lag = lags[Math.floor(part * (lags.length - 1))]! - lags[0]! + link.roundTripMs / 2;
      return Math.round(lag * 10) / 10;
    };
    const report: ReportRequest = {
      generationId,
      medianMs: at(0.5),
      p95Ms: at(MOST),
      cuts,
      resumes,
      whole,
    };
    // A server that does not know the event says so, and nobody needs it.
    link.ask('report', report, () => undefined);
  };
}
