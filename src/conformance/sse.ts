import { createParser, type EventSourceMessage } from 'eventsource-parser';

/** The events of a stream so far. An event without its empty line has not come. */
export function eventsIn(body: string): EventSourceMessage[] {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (event) => events.push(event) }).feed(body);
  return events;
}
