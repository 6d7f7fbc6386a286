/** What this tab keeps over a reload. Where site data is blocked, that is nothing: even to look throws. */
export const tabStorage = {
  read(key: string): string | null {
    try {
      return sessionStorage.getItem(key);
    } catch {
      return null;
    }
  },

  /** @param value null = forget it */
  write(key: string, value: string | null): void {
    try {
      if (value === null) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, value);
    } catch {
      // Full or blocked: the page goes on without.
    }
  },
};
