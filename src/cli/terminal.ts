import { once } from 'node:events';

/** Whether a person looks at it and it can go back to the start of a line. */
export const isLive = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY && process.env['TERM'] !== 'dumb';

/**
 * A terminal does what control characters say, and a model or a server could send some: only line
 * feeds and tabs get through to one. A pipe gets the bytes as they are.
 */
export function printable(stream: NodeJS.WriteStream, text: string): string {
  return stream.isTTY ? text.replace(/(?![\n\t])\p{Cc}/gu, '') : text;
}

/** `hasColors` knows NO_COLOR, FORCE_COLOR and dumb terminals. */
export function dim(stream: NodeJS.WriteStream, text: string): string {
  return stream.isTTY && stream.hasColors() ? `\x1b[2m${text}\x1b[22m` : text;
}

/** Writes, and waits while the reader takes no more. @throws the signal's reason when it aborts */
export async function write(
  stream: NodeJS.WriteStream,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  if (stream.write(text)) return;
  try {
    await once(stream, 'drain', { signal });
  } catch (error) {
    // `once` would say `AbortError`, whatever the reason is.
    signal.throwIfAborted();
    throw error;
  }
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const FRAME_MS = 100;
/** Some terminals do not know their width, and say 0. */
const USUAL_COLUMNS = 80;

/** One line at the end of the terminal that changes: what is waited for, or how far it is. */
export class StatusLine {
  private text = '';
  private frame = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {}

  show(text: string): void {
    this.text = printable(this.stream, text);
    if (this.timer === undefined) {
      this.timer = setInterval(() => this.draw(), FRAME_MS);
      process.once('exit', this.clear);
    }
    this.draw();
  }

  /** Takes the line away, so that something else can be written. */
  readonly clear = (): void => {
    if (this.timer === undefined) return;
    process.off('exit', this.clear);
    clearInterval(this.timer);
    this.timer = undefined;
    this.stream.write('\r\x1b[K');
  };

  private draw(): void {
    const frame = FRAMES[this.frame++ % FRAMES.length];
    // A line that wraps could not be taken away.
    const text = `${frame} ${this.text}`.slice(0, (this.stream.columns || USUAL_COLUMNS) - 1);
    this.stream.write(`\r\x1b[K${dim(this.stream, text)}`);
  }
}
