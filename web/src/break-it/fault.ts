import { SERVER } from '../page-info.js';

/** What the demo does to this page's connection when asked to. */
export type Fault = 'cut' | 'offline' | 'stall';

/**
 * Has the demo break a connection.
 * @returns how long it will last, in ms; 0 where it is over already
 * @throws Error with a sentence for people
 */
export async function inflict(fault: Fault, clientId: string): Promise<number> {
  const response = await fetch(`${SERVER}demo/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ fault, clientId }),
  });
  const body = (await response.json()) as { ms: number; message: string };
  if (!response.ok) throw new Error(body.message);
  return body.ms;
}
