/** How models mark thinking inside their text, where no server has taken it out. */
const TAGS: readonly (readonly [open: string, close: string])[] = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['<reasoning>', '</reasoning>'],
  ['<seed:think>', '</seed:think>'],
  ['[THINK]', '[/THINK]'],
  ['◁think▷', '◁/think▷'],
  ['<|begin_of_thought|>', '<|end_of_thought|>'],
  ['<|START_THINKING|>', '<|END_THINKING|>'],
];

type Tell = (type: 'text' | 'thinking', text: string) => void;

/**
 * Tells the thinking in an answer's text from the rest, wherever the text is cut. A tag counts where
 * the answer begins with it; where one did, also later ones outside of code. White space behind a tag
 * belongs to neither. Text that begins otherwise passes as it is: it may be about such tags.
 */
export class ThinkTags {
  private state: 'beginning' | 'opened' | 'thinking' | 'closed' | 'text' | 'off' = 'beginning';
  /** The end of what came so far, as long as it may be the beginning of a tag. */
  private held = '';
  private tags: readonly (readonly [open: string, close: string])[] = TAGS;
  /** Inside of code: an odd number of backticks stands before. */
  private inCode = false;

  /** Nothing more is looked for. */
  get isOff(): boolean {
    return this.state === 'off';
  }

  push(piece: string, tell: Tell): void {
    let rest: string | undefined = this.held + piece;
    this.held = '';
    while (rest !== undefined && rest !== '') rest = this.step(rest, tell);
  }

  /** The answer ends, or its thinking comes by another way: what is held was text. */
  end(tell: Tell): void {
    const { held, state } = this;
    this.held = '';
    this.state = 'off';
    if (held !== '') tell(state === 'thinking' ? 'thinking' : 'text', held);
  }

  /** @returns what is still to be read; undefined where more must come first */
  private step(text: string, tell: Tell): string | undefined {
    switch (this.state) {
      case 'beginning':
        return this.begin(text, tell);
      case 'opened':
        this.state = 'thinking';
        return this.skipBlanks(text, 'opened');
      case 'thinking':
        return this.search(text, 'thinking', tell);
      case 'closed':
        this.state = 'text';
        return this.skipBlanks(text, 'closed');
      case 'text':
        return this.search(text, 'text', tell);
      case 'off':
        tell('text', text);
        return undefined;
      default:
        return this.state satisfies never;
    }
  }

  private begin(text: string, tell: Tell): string | undefined {
    const start = text.trimStart();
    const tag = TAGS.find(([open]) => start.startsWith(open));
    if (tag !== undefined) {
      this.tags = [tag];
      this.state = 'opened';
      return start.slice(tag[0].length);
    }
    if (TAGS.some(([open]) => open.startsWith(start))) {
      this.held = text;
      return undefined;
    }
    this.state = 'off';
    tell('text', text);
    return undefined;
  }

  private skipBlanks(text: string, asLongAs: 'opened' | 'closed'): string | undefined {
    const rest = text.trimStart();
    if (rest !== '') return rest;
    this.state = asLongAs;
    return undefined;
  }

  /** Tells everything up to the next tag; what may be its beginning is held back. */
  private search(text: string, type: 'text' | 'thinking', tell: Tell): string | undefined {
    const tag = this.tags[0]?.[type === 'text' ? 0 : 1] ?? '';
    for (let at = text.indexOf(tag[0] ?? ''); at !== -1; at = text.indexOf(tag[0] ?? '', at + 1)) {
      if (!tag.startsWith(text.slice(at, at + tag.length))) continue;
      const before = text.slice(0, at);
      if (type === 'text' && this.isCode(before)) continue;
      this.tell(type, before, tell);
      if (text.length < at + tag.length) {
        this.held = text.slice(at);
        return undefined;
      }
      this.state = type === 'text' ? 'opened' : 'closed';
      return text.slice(at + tag.length);
    }
    this.tell(type, text, tell);
    return undefined;
  }

  private tell(type: 'text' | 'thinking', text: string, tell: Tell): void {
    if (text === '') return;
    if (type === 'text') this.inCode = this.isCode(text);
    tell(type, text);
  }

  /** Whether code goes on behind this text. */
  private isCode(text: string): boolean {
    let inCode = this.inCode;
    for (let at = text.indexOf('`'); at !== -1; at = text.indexOf('`', at + 1)) inCode = !inCode;
    return inCode;
  }
}
