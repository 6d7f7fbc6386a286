import { z } from 'zod';
import { authRequest } from './access.js';
import { started, startedExample } from './answers.js';
import { EXAMPLE_TIME } from './examples.js';
import { refusal, type Refusal } from './refusal.js';
import { streamRecord } from './records.js';
import {
  chatRequest,
  generateRequest,
  generationRef,
  joinRequest,
  reportRequest,
  sendMessageRequest,
} from './requests.js';
import { generationState, streamState } from './stream-state.js';

/** Every request is answered through its ack, before any event of that generation. */
export type Ack<T> = (answer: ({ ok: true } & T) | { ok: false; error: Refusal }) => void;

const ack = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), ...shape }),
    z.object({ ok: z.literal(false), error: refusal }),
  ]);

const startedFields = started.pick({
  generationId: true,
  state: true,
  position: true,
  etaMs: true,
  deduplicated: true,
});
const startedAck = ack(startedFields.shape).meta({
  id: 'StartedAck',
  description: 'The generation is accepted, and its records follow; or the refusal.',
  examples: [{ ok: true, ...startedExample }],
});
/** What the ack of `generate` and `chat` says of the generation. */
export type StartedAck = z.infer<typeof startedFields>;

/** What a client may ask for over the socket, and what its ack is. */
export const clientEvents = {
  generate: {
    summary: "Start a generation on the model's generate endpoint, and read it.",
    request: generateRequest,
    ack: startedAck,
  },
  chat: {
    summary: 'Start a chat, and read it.',
    request: chatRequest,
    ack: startedAck,
  },
  send_message: {
    summary: 'Start a chat that every tab of the user sees.',
    request: sendMessageRequest,
    ack: startedAck,
  },
  join: {
    summary: 'Read a generation from any record on: after a reconnect, in a second tab.',
    request: joinRequest,
    ack: ack({
      state: generationState,
      seq: z.int().min(0).describe('The last appended record.'),
    }).meta({
      id: 'JoinAck',
      description: 'The records after `after` follow; or the refusal.',
      examples: [{ ok: true, state: 'streaming', seq: 17 }],
    }),
  },
  auth: {
    summary: 'Go on with a new token of the same user, before the old one has expired.',
    request: authRequest,
    ack: ack({ expiresAt: z.string().describe('ISO time (UTC) of the end of the token.') }).meta({
      id: 'AuthAck',
      description: 'The socket is good until then; or the refusal.',
      examples: [{ ok: true, expiresAt: EXAMPLE_TIME }],
    }),
  },
  report: {
    summary:
      'Tell the operator what the user felt of an answer that is over: counted once a socket.',
    request: reportRequest,
    ack: ack({}).meta({
      id: 'ReportAck',
      description: 'It is counted, where the server has metrics; or the refusal.',
      examples: [{ ok: true }],
    }),
  },
  leave: {
    summary: 'Read a generation no more. With no reader left it ends `ABANDON_AFTER_MS` later.',
    request: generationRef,
    ack: ack({}).meta({
      id: 'LeaveAck',
      description: 'Nothing follows; or the refusal.',
      examples: [{ ok: true }],
    }),
  },
  cancel: {
    summary: 'Stop a generation. Answered when the upstream request is over, however often asked.',
    request: generationRef,
    ack: ack({
      state: generationState,
      seq: z.int().min(1).describe('The terminal record: `join` after `seq - 1` gets it alone.'),
    }).meta({
      id: 'CancelAck',
      description: 'The final state; or the refusal.',
      examples: [{ ok: true, state: 'cancelled', seq: 9 }],
    }),
  },
};

/** What the server sends. */
export const serverEvents = {
  streamData: { summary: 'The next record of a generation that is read.', payload: streamRecord },
  streamState: {
    summary: 'Where a generation is that has no record to send.',
    payload: streamState,
  },
  exception: {
    summary: 'The refusal of a request that was sent without an ack callback.',
    payload: refusal,
  },
};

export type ClientToServerEvents = {
  [Event in keyof typeof clientEvents]: (
    request: z.infer<(typeof clientEvents)[Event]['request']>,
    ack: (answer: z.infer<(typeof clientEvents)[Event]['ack']>) => void,
  ) => void;
};
export type ServerToClientEvents = {
  [Event in keyof typeof serverEvents]: (
    payload: z.infer<(typeof serverEvents)[Event]['payload']>,
  ) => void;
};
