import type { TextKind } from '../../generations/log/entry.js';

/** An item of a response's output, as the API writes it. */
export type OutputItem = Readonly<Record<string, unknown>>;
type Status = 'in_progress' | 'completed' | 'incomplete';
type Events = [type: string, fields: object][];

/** A part of a message: what the model says, or its words where it declines. */
interface Part {
  readonly kind: TextKind;
  text: string;
}

/**
 * An item of text that is not finished: the message, which may have parts of answer and of refusal,
 * or the reasoning before it.
 */
export class OpenItem {
  private readonly id: string;
  private readonly isReasoning: boolean;
  private readonly parts: Part[] = [];

  constructor(
    generationId: string,
    private readonly index: number,
    kind: TextKind,
  ) {
    this.isReasoning = kind === 'thinking';
    this.id = `${this.isReasoning ? 'rs' : 'msg'}_${generationId}_${index}`;
  }

  /** Whether text of this kind belongs to it. */
  takes(kind: TextKind): boolean {
    return (kind === 'thinking') === this.isReasoning;
  }

  begin(): Events {
    const item = this.isReasoning
      ? { id: this.id, type: 'reasoning', summary: [] }
      : { id: this.id, type: 'message', status: 'in_progress', role: 'assistant', content: [] };
    return [['response.output_item.added', { output_index: this.index, item }]];
  }

  /** More text; of another kind than before, it begins a part. */
  add(kind: TextKind, text: string): Events {
    const events: Events = [];
    let part = this.parts.at(-1);
    if (part?.kind !== kind) {
      events.push(...this.endPart());
      part = { kind, text: '' };
      this.parts.push(part);
      const name = this.isReasoning ? 'reasoning_summary_part' : 'content_part';
      const empty = partOf({ kind, text: '' });
      events.push([`response.${name}.added`, { ...this.place(), part: empty }]);
    }
    part.text += text;
    const more = kind === 'text' ? { delta: text, logprobs: [] } : { delta: text };
    events.push([`response.${NAMES[kind]}.delta`, Object.assign(this.place(), more)]);
    return events;
  }

  end(status: Status): Events {
    return [
      ...this.endPart(),
      ['response.output_item.done', { output_index: this.index, item: this.item(status) }],
    ];
  }

  /** The item with what it has so far. */
  item(status: Status): OutputItem {
    const { id } = this;
    const parts = this.parts.map(partOf);
    return this.isReasoning
      ? { id, type: 'reasoning', summary: parts }
      : { id, type: 'message', status, role: 'assistant', content: parts };
  }

  private endPart(): Events {
    const part = this.parts.at(-1);
    if (part === undefined) return [];
    const { kind, text } = part;
    const field = kind === 'refusal' ? { refusal: text } : { text };
    const more = kind === 'text' ? { ...field, logprobs: [] } : field;
    const name = this.isReasoning ? 'reasoning_summary_part' : 'content_part';
    return [
      [`response.${NAMES[kind]}.done`, Object.assign(this.place(), more)],
      [`response.${name}.done`, { ...this.place(), part: partOf(part) }],
    ];
  }

  private place(): object {
    const index = this.parts.length - 1;
    const at = this.isReasoning ? { summary_index: index } : { content_index: index };
    return { item_id: this.id, output_index: this.index, ...at };
  }
}

const NAMES: Readonly<Record<TextKind, string>> = {
  text: 'output_text',
  thinking: 'reasoning_summary_text',
  refusal: 'refusal',
};

function partOf({ kind, text }: Part): object {
  switch (kind) {
    case 'text':
      return { type: 'output_text', text, annotations: [], logprobs: [] };
    case 'thinking':
      return { type: 'summary_text', text };
    case 'refusal':
      return { type: 'refusal', refusal: text };
    default:
      return kind satisfies never;
  }
}
