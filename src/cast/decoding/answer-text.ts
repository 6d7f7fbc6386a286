import type { Part } from '../part.js';
import { WholeCharacters } from './characters.js';
import { ThinkTags } from './think-tags.js';

type Kind = 'text' | 'thinking' | 'refusal';

/** Makes parts of an answer's pieces of text: whole characters, thinking told apart. */
export class AnswerText {
  private readonly whole = {
    thinking: new WholeCharacters(),
    text: new WholeCharacters(),
    refusal: new WholeCharacters(),
  };
  /** Undefined where no thinking is looked for inside the text. */
  private tags: ThinkTags | undefined;
  private into: Part[] = [];
  private createdAt = '';

  /** @param thinkTags whether `<think>` in the text is told apart */
  constructor(thinkTags: boolean) {
    if (thinkTags) this.tags = new ThinkTags();
  }

  /** Adds to `into` what the piece says; half a character waits for its other half. */
  push(kind: Kind, piece: string, createdAt: string, into: Part[]): void {
    if (piece === '') return;
    const text = this.whole[kind].push(piece);
    if (text === '') return;
    if (this.tags === undefined || kind === 'refusal') {
      into.push({ type: kind, text, createdAt });
    } else this.pushTagged(kind, text, createdAt, into);
  }

  /** The answer is over: adds what was held back. */
  end(createdAt: string, into: Part[]): void {
    for (const kind of ['thinking', 'text', 'refusal'] as const) {
      const rest = this.whole[kind].end();
      if (kind === 'text' && this.tags !== undefined) {
        this.pushTagged('text', rest, createdAt, into);
        this.tags?.end(this.tell);
      } else if (rest !== '') into.push({ type: kind, text: rest, createdAt });
    }
  }

  private pushTagged(
    kind: 'text' | 'thinking',
    text: string,
    createdAt: string,
    into: Part[],
  ): void {
    this.into = into;
    this.createdAt = createdAt;
    if (kind === 'text') this.tags?.push(text, this.tell);
    else {
      // The server tells the thinking itself, so its text is nothing but text.
      this.tags?.end(this.tell);
      into.push({ type: 'thinking', text, createdAt });
    }
    if (this.tags?.isOff === true) this.tags = undefined;
  }

  private readonly tell = (type: 'text' | 'thinking', text: string): void => {
    this.into.push({ type, text, createdAt: this.createdAt });
  };
}
