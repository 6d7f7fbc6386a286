/** A point that the server under test does not fulfil; the message says what was seen. */
export class Fault extends Error {}

/** So long a point waits for what must come at once, in milliseconds. */
export const PATIENCE_MS = 10_000;

export interface Sent {
  method?: 'GET' | 'POST';
  url: string;
  body?: object;
  headers: Record<string, string>;
}

/** What the server under test answers to one request, while it comes. */
export class Answer {
  status: number | undefined;
  headers = new Headers();
  /** So much of the body as has come. */
  body = '';
  /** How the connection ended: cleanly, or in the midst of the answer. */
  ending: 'open' | 'clean' | 'cut' = 'open';
  private readonly abort = new AbortController();
  private readonly waiting = new Set<() => void>();

  constructor(sent: Sent) {
    void this.read(sent);
  }

  /** Closes the connection, as a client does that has enough. */
  close(): void {
    this.abort.abort();
  }

  /**
   * Waits for something that must come.
   * @param what it is, after "no": part of the message
   * @throws Fault when it does not come in time, or cannot come any more; what `isThere` throws
   */
  async until(isThere: () => boolean, what: string, ms = PATIENCE_MS): Promise<void> {
    if (isThere()) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.waiting.delete(look);
        act();
      };
      const give = (when: string) => reject(new Fault(`no ${what} ${when}${this.excerpt()}`));
      const look = (): void => {
        try {
          if (isThere()) settle(resolve);
          else if (this.ending !== 'open') settle(() => give('before the end'));
        } catch (error) {
          settle(() => reject(error));
        }
      };
      const timer = setTimeout(() => settle(() => give(`within ${ms / 1000} s`)), ms);
      this.waiting.add(look);
      look();
    });
  }

  /** What has come, in short: part of a message. */
  excerpt(): string {
    const { status, ending } = this;
    if (status === undefined) return ending === 'open' ? '' : ': the connection was closed';
    const text = this.body.length > 160 ? `…${this.body.slice(-160)}` : this.body;
    return `: HTTP ${status}, ${JSON.stringify(text)}`;
  }

  private async read({ method = 'POST', url, body, headers }: Sent): Promise<void> {
    try {
      const response = await fetch(url, {
        method,
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: this.abort.signal,
      });
      ({ status: this.status, headers: this.headers } = response);
      this.changed();
      const decoder = new TextDecoder();
      for await (const piece of response.body ?? []) {
        this.body += decoder.decode(piece, { stream: true });
        this.changed();
      }
      this.body += decoder.decode();
      this.ending = 'clean';
    } catch {
      this.ending = 'cut';
    }
    this.changed();
  }

  /** Looks again whether what is waited for is there. */
  changed(): void {
    for (const look of this.waiting) look();
  }
}
