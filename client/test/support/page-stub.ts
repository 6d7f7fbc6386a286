/** What a page has and Node.js does not: events on the window and on the document. */
export class PageStub extends EventTarget {
  hidden = false;

  constructor() {
    super();
    Object.assign(globalThis, {
      addEventListener: this.addEventListener.bind(this),
      removeEventListener: this.removeEventListener.bind(this),
      document: this,
    });
  }

  get visibilityState(): string {
    return this.hidden ? 'hidden' : 'visible';
  }

  close(): void {
    for (const name of ['addEventListener', 'removeEventListener', 'document']) {
      Reflect.deleteProperty(globalThis, name);
    }
  }
}
