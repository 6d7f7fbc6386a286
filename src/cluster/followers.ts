/** A node that reads along: by when it must ask again, and how to end the attendance of its readers. */
interface Follower {
  readonly until: number;
  readonly leave: (() => void) | undefined;
}

/** The nodes that have copies of one generation. */
export class Followers {
  private readonly byNode = new Map<string, Follower>();

  /** @param attend tells the generation that somebody reads it; its result takes that back */
  constructor(private readonly attend: () => () => void) {}

  get isEmpty(): boolean {
    return this.byNode.size === 0;
  }

  get nodes(): string[] {
    return [...this.byNode.keys()];
  }

  /**
   * A node asks for what is new.
   * @param until when it is forgotten unless it asks again, by this node's monotonic clock
   * @param hasReaders whether somebody reads its copy
   */
  note(node: string, hasReaders: boolean, until: number): void {
    const before = this.byNode.get(node);
    const leave = hasReaders ? (before?.leave ?? this.attend()) : undefined;
    this.byNode.set(node, { until, leave });
    if (!hasReaders) before?.leave?.();
  }

  /** Forgets those that have not asked again. */
  expire(now: number): void {
    for (const [node, { until, leave }] of this.byNode) {
      if (until > now) continue;
      this.byNode.delete(node);
      leave?.();
    }
  }

  /** Forgets all. */
  clear(): void {
    this.expire(Infinity);
  }
}
