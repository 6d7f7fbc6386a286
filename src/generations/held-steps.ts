/** Steps that are done at once, or, while something is to be known first, in their order after it. */
export class HeldSteps {
  private waiting: (() => void)[] | undefined;

  get isEmpty(): boolean {
    return this.waiting === undefined;
  }

  /**
   * @param ask resolves when it is known; undefined where there is nothing to ask
   * @param step throws nothing
   */
  after(ask: () => Promise<void> | undefined, step: () => void): void {
    if (this.waiting !== undefined) return void this.waiting.push(step);
    const asked = ask();
    if (asked === undefined) return step();
    this.waiting = [step];
    void asked.finally(() => this.goOn());
  }

  /** @param step is done at once, or after those that wait; throws nothing */
  inOrder(step: () => void): void {
    this.after(() => undefined, step);
  }

  private goOn(): void {
    const steps = this.waiting ?? [];
    this.waiting = undefined;
    for (const step of steps) step();
  }
}
