import { createHash, type Hash } from 'node:crypto';

/** What a log says of its answer text when it ends. A client that has the same text lost nothing. */
export interface Proof {
  /** Bytes of the UTF-8 of all answer text; thinking is not part of it. */
  bytes: number;
  /** SHA-256 of the same text, in hexadecimal. */
  sha256: string;
}

/** Grows with the answer text of one log. */
export class ProofOfText {
  /** Made with the first text: most logs wait for theirs, and a hash takes half a kilobyte. */
  private hash: Hash | undefined;
  private bytes = 0;

  add(text: string): void {
    this.hash ??= createHash('sha256');
    this.hash.update(text);
    this.bytes += Buffer.byteLength(text);
  }

  /** The proof of what was added until now. */
  soFar(): Proof {
    const hash = this.hash?.copy() ?? createHash('sha256');
    return { bytes: this.bytes, sha256: hash.digest('hex') };
  }
}
