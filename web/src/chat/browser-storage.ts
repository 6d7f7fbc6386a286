/** What this browser keeps for all tabs. Where site data is blocked, that is nothing: even to look throws. */
export const browserStorage = {
  read(key: string): string | null {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },

  /** @param value null = forget it */
  write(key: string, value: string | null): void {
    try {
      if (value === null) localStorage.removeItem(key);
      else localStorage.setItem(key, value);
    } catch {
      // Full or blocked: the page goes on without.
    }
  },
};
