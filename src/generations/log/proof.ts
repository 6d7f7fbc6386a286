import { createHash } from 'node:crypto';

/** What a log says of its answer text when it ends. A client that has the same text lost nothing. */
export interface Proof {
  /** Bytes of the UTF-8 of all answer text; thinking is not part of it. */
  bytes: number;
  /** SHA-256 of the same text, in hexadecimal. */
  sha256: string;
}

/** Grows with the answer text of one log. */
export class ProofOfText {
  private readonly hash = createHash('sha256');
  private bytes = 0;

  add(text: string): void {
    this.hash.update(text);
    this.bytes += Buffer.byteLength(text);
  }

  /** The proof of what was added until now. */
  soFar(): Proof {
    return { bytes: this.bytes, sha256: this.hash.copy().digest('hex') };
  }
}
