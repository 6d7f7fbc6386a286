import type { Generation } from '../../generations/generation.js';
import type { End, Entry, TextKind } from '../../generations/log/entry.js';
import { stringifyExact } from '../../protocol/exact-json.js';
import type { ToolCall } from '../../protocol/model-fields.js';
import type { FinishReason, Usage } from '../../protocol/usage.js';
import { refusedByEnd } from '../refused.js';
import { callId } from './call-id.js';
import { errorBody } from './error-body.js';
import { OpenItem, type OutputItem } from './response-items.js';
import { type ResponseNote, responseId } from './response-note.js';

/** A generation, as far as its events say it. */
export type ResponseFacts = Pick<Generation, 'id' | 'model' | 'createdAt' | 'waited'> & {
  note: Pick<ResponseNote, 'echo'>;
};

/** One event of a response; the sequence number is 0, 1, 2, … */
export interface ResponseEvent {
  type: string;
  sequence_number: number;
}

/** A response, as the API writes it. */
export type ResponseObject = OutputItem & { readonly output: readonly OutputItem[] };

/**
 * Says the entries of one generation as the events of a response. A pure function of the log from its
 * first entry on, and prefix-stable: an event has the same number in each replay. It takes entries
 * that were not merged.
 */
export class ResponseEvents {
  private number = 0;
  private isInProgress = false;
  private readonly output: OutputItem[] = [];
  private calls = 0;
  private open: OpenItem | undefined;
  private reason: FinishReason = 'unknown';
  private usage: Usage = null;
  private ended: { status: string; error: object | null; details: object | null } | undefined;

  constructor(private readonly facts: ResponseFacts) {}

  /** The events before the first entry. Whether it waited was decided when it was accepted. */
  opening(): ResponseEvent[] {
    const { waited } = this.facts;
    const created = this.event('response.created', {
      response: this.response(waited ? 'queued' : 'in_progress'),
    });
    return waited
      ? [created, this.event('response.queued', { response: this.response('queued') })]
      : [created, ...this.progress()];
  }

  /** The events of an entry; entries are given in order, from the first on. */
  entry({ seq, from, said }: Entry): ResponseEvent[] {
    switch (said.type) {
      case 'text':
      case 'thinking':
      case 'refusal':
        return [...this.progress(), ...this.text(said.type, said.text)];
      case 'tool_calls':
        return [
          ...this.progress(),
          ...this.close('completed'),
          ...said.calls.flatMap((call) => this.call(call)),
        ];
      case 'done':
        this.reason = said.reason;
        this.usage = said.usage;
        return this.progress();
      case 'end': {
        // A node was lost with entries that some reader may have seen: its events had numbers too.
        this.number += seq - from;
        return this.end(said);
      }
      case 'progress':
        return [];
      default:
        return said satisfies never;
    }
  }

  /** The response as it is after the entries so far. @param status while it has not ended */
  response(status: 'queued' | 'in_progress'): ResponseObject {
    const { ended, usage } = this;
    const open = this.open?.item('in_progress');
    return {
      id: responseId(this.facts),
      object: 'response',
      created_at: Math.floor(this.facts.createdAt / 1000),
      status: ended?.status ?? status,
      error: ended?.error ?? null,
      incomplete_details: ended?.details ?? null,
      model: this.facts.model,
      output: open === undefined ? [...this.output] : [...this.output, open],
      ...this.facts.note.echo,
      // Of one that has ended it is a number or not there: some clients take no null.
      ...(ended === undefined ? { usage: null } : usage !== null && { usage: usageOf(usage) }),
    };
  }

  private progress(): ResponseEvent[] {
    if (this.isInProgress) return [];
    this.isInProgress = true;
    return [this.event('response.in_progress', { response: this.response('in_progress') })];
  }

  private text(kind: TextKind, text: string): ResponseEvent[] {
    const events: ResponseEvent[] = [];
    if (this.open === undefined || !this.open.takes(kind)) {
      events.push(...this.close('completed'));
      this.open = new OpenItem(this.facts.id, this.output.length, kind);
      events.push(...this.numbered(this.open.begin()));
    }
    events.push(...this.numbered(this.open.add(kind, text)));
    return events;
  }

  private call(call: ToolCall): ResponseEvent[] {
    const index = this.output.length;
    const { id = callId(this.facts, this.calls), function: called } = call;
    this.calls++;
    const text = stringifyExact(called.arguments);
    const item = {
      id: `fc_${this.facts.id}_${index}`,
      type: 'function_call',
      call_id: id,
      name: called.name,
      arguments: '',
      status: 'in_progress',
    };
    const whole = { ...item, arguments: text, status: 'completed' };
    this.output.push(whole);
    const at = { item_id: item.id, output_index: index };
    return this.numbered([
      ['response.output_item.added', { output_index: index, item }],
      ['response.function_call_arguments.delta', { ...at, delta: text }],
      ['response.function_call_arguments.done', { ...at, name: called.name, arguments: text }],
      ['response.output_item.done', { output_index: index, item: whole }],
    ]);
  }

  /** Ends the item that is open, if one is. */
  private close(status: 'completed' | 'incomplete'): ResponseEvent[] {
    const { open } = this;
    if (open === undefined) return [];
    this.open = undefined;
    this.output.push(open.item(status));
    return this.numbered(open.end(status));
  }

  private end(said: End): ResponseEvent[] {
    const refused = refusedByEnd(said);
    const isCut = this.reason === 'length' || this.reason === 'content_filter';
    if (refused === undefined) {
      const events = this.close(isCut ? 'incomplete' : 'completed');
      const reason = this.reason === 'length' ? 'max_output_tokens' : 'content_filter';
      this.ended = isCut
        ? { status: 'incomplete', error: null, details: { reason } }
        : { status: 'completed', error: null, details: null };
      return [...events, this.last(isCut ? 'response.incomplete' : 'response.completed')];
    }
    const events = this.close('incomplete');
    if (refused.code === 'cancelled') {
      // The SDKs know no event for it.
      this.ended = { status: 'cancelled', error: null, details: { reason: 'cancelled' } };
      return [...events, this.last('response.incomplete')];
    }
    const { error } = errorBody(refused);
    const { code, message } = error;
    this.ended = { status: 'failed', error: { code, message }, details: null };
    // LangChain.js takes `response.failed` alone for the end of a short answer.
    const thrown = { code, message, param: null, error };
    return [...events, this.last('response.failed'), this.event('error', thrown)];
  }

  private last(type: string): ResponseEvent {
    return this.event(type, { response: this.response('in_progress') });
  }

  private numbered(events: readonly (readonly [string, object])[]): ResponseEvent[] {
    return events.map(([type, fields]) => this.event(type, fields));
  }

  private event(type: string, fields: object): ResponseEvent {
    return { type, sequence_number: this.number++, ...fields };
  }
}

function usageOf({ promptTokens, completionTokens }: NonNullable<Usage>): object {
  return {
    input_tokens: promptTokens,
    // Upstreams do not tell these; clients require the fields.
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}
