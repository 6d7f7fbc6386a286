import type { CancelReason } from '../../generations/log/entry.js';
import type { Proof } from '../../generations/log/proof.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { Timings, Usage } from '../../protocol/usage.js';

/** What the metadata of a message says of its last answer. */
export type EndMetadata = Proof &
  (
    | { state: 'completed'; usage: Usage; timings: Timings }
    | { state: 'cancelled'; reason: CancelReason; upstreamClosedMs: number }
    | {
        state: 'failed' | 'interrupted';
        code: ErrorCode;
        detail: string;
        retryable: boolean;
        retryAfterMs?: number;
      }
  );

/**
 * A part of the AI SDK's UI message stream (protocol v1): `uiMessageChunkSchema` of the package `ai`,
 * versions 5 to 7. A type that is not in it kills the stream in the client.
 */
export type Frame =
  | { type: 'start'; messageId: string; messageMetadata?: { generationId: string } }
  | { type: 'start-step' | 'finish-step' | 'abort' }
  | {
      type: 'text-start' | 'reasoning-start';
      id: string;
      /** Set where the text is the model's refusal. */
      providerMetadata?: { 'llm-cast': { refusal: true } };
    }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string }
  | { type: 'text-end' | 'reasoning-end'; id: string }
  | { type: 'tool-input-start'; toolCallId: string; toolName: string }
  | { type: 'tool-input-delta'; toolCallId: string; inputTextDelta: string }
  | {
      type: 'tool-input-available';
      toolCallId: string;
      toolName: string;
      input: unknown;
      dynamic?: true;
    }
  | { type: 'tool-output-available'; toolCallId: string; output: unknown }
  | { type: 'tool-output-error'; toolCallId: string; errorText: string }
  | { type: 'tool-output-denied'; toolCallId: string }
  | {
      type: 'data-queue';
      id: 'queue';
      data: { position: number; etaMs?: number };
      /** It reaches `onData` and is kept in no message. */
      transient: true;
    }
  | { type: 'message-metadata'; messageMetadata: EndMetadata }
  | { type: 'error'; errorText: string }
  | {
      type: 'finish';
      finishReason: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'other';
      messageMetadata: EndMetadata;
    };
