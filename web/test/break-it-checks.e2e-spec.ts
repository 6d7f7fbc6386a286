import type { StreamRecord } from 'llm-cast-client';
import { type Checks, checked } from '../src/break-it/checks.js';
import { begun, heard, type Incident, told } from '../src/break-it/incident.js';

const NONE: Checks = { seq: 0, lost: 0, repeated: 0 };
const record = (seq: number, from?: number): StreamRecord => ({
  generationId: 'k3JvX0d1Qm6c7Tq2Zr9s_A',
  seq,
  ...(from !== undefined && { from }),
  model: 'm',
  created_at: '2026-01-02T03:04:05.678Z',
  response: 'x',
  done: false,
});

describe('the checks of the break-it panel', () => {
  it.each<[string, StreamRecord[], Checks]>([
    ['all of them', [record(1), record(2), record(3)], { seq: 3, lost: 0, repeated: 0 }],
    ['merged ones', [record(1), record(9, 2), record(10)], { seq: 10, lost: 0, repeated: 0 }],
    ['a hole', [record(1), record(5)], { seq: 5, lost: 3, repeated: 0 }],
    ['a hole before a merged one', [record(9, 3)], { seq: 9, lost: 2, repeated: 0 }],
    ['one twice', [record(1), record(1), record(2)], { seq: 2, lost: 0, repeated: 1 }],
    ['some again, merged', [record(5, 1), record(7, 4)], { seq: 7, lost: 0, repeated: 2 }],
    ['an old one', [record(5, 1), record(2)], { seq: 5, lost: 0, repeated: 1 }],
  ])('count %s', (_, records, expected) => {
    expect(records.reduce(checked, NONE)).toEqual(expected);
  });
});

describe('the story of the break-it panel', () => {
  const checks: Checks = { seq: 312, lost: 0, repeated: 0 };
  const tell = (incident: Incident, now = 0, isEnded = false): string =>
    told(incident, checks, isEnded, now);

  it('of a cut is over with the first record after a reconnect', () => {
    const cut = { ...begun('cut', checks, 2, 1_000), until: 1_000 };
    const late = heard(cut, 2, 1_050);
    expect(tell(late, 1_050)).toBe('Cut after 312 records; coming back …');
    const back = heard(late, 3, 1_450);
    expect(tell(back)).toBe('Cut after 312 records; back in 0.4 s; 0 lost, 0 repeated.');
    expect(heard(back, 3, 9_000)).toBe(back);
  });

  it('of a stall is over with the first record after its time, on the same connection', () => {
    const stall = { ...begun('stall', checks, 0, 0), until: 10_000 };
    const late = heard(stall, 0, 100);
    expect(tell(late, 2_500)).toBe('Stalled after 312 records; 8 s to go …');
    const back = heard(late, 0, 10_200);
    expect(tell(back)).toBe('Stalled after 312 records; back in 10.1 s; 0 lost, 0 repeated.');
  });

  it('does not say how long it takes before that is known', () => {
    expect(tell(begun('offline', checks, 0, 0), 100)).toBe(
      'Offline after 312 records; coming back …',
    );
  });

  it('says what was lost and what came twice', () => {
    const cut = heard({ ...begun('cut', checks, 0, 0), until: 0 }, 1, 500);
    expect(told(cut, { seq: 400, lost: 2, repeated: 3 }, false, 0)).toContain('2 lost, 3 repeated');
  });

  it('of a cut that came too late says so', () => {
    const cut = { ...begun('cut', checks, 0, 0), until: 0 };
    expect(tell(cut, 0, true)).toBe(
      'Cut after 312 records, but by then all of the answer was here.',
    );
  });
});
