import type { StreamRecord } from '../../src/protocol/records.js';
import type { TerminalRecord } from '../../src/protocol/terminal-record.js';
import type { Client } from './client.js';

/** One answer, read to its end over a socket. */
export interface Answered {
  id: string;
  text: string;
  records: StreamRecord[];
  end: TerminalRecord;
  /** How many times an upstream was asked. */
  attempts: number;
}

/** What a client was told of one generation, once it has ended. */
export async function answered(client: Client, id: string): Promise<Answered> {
  const end = await client.ended(id);
  const states = client.states.filter(({ generationId }) => generationId === id);
  const attempts = Math.max(1, ...states.map(({ attempt = 1 }) => attempt));
  return { id, text: client.text(id), records: client.of(id), end, attempts };
}

/** Asks and reads the answer to its end. */
export async function askModel(
  client: Client,
  event: 'generate' | 'chat',
  request: object,
): Promise<Answered> {
  const { generationId } = await client.accepted(event, request);
  return answered(client, generationId);
}
