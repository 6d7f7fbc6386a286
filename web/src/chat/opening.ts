/** What a link to the page may ask for: `/?q=Why%20is%20the%20sky%20blue&model=qwen3:8b`. */
export interface Opening {
  question: string | undefined;
  model: string | undefined;
}

/** Most characters of a question in a link. */
const MAX_QUESTION = 10_000;

/** Reads it once and takes it out of the address: a reload does not ask for it again. */
export function takeOpening(): Opening {
  const query = new URLSearchParams(location.search);
  const question = query.get('q')?.slice(0, MAX_QUESTION) ?? undefined;
  const model = query.get('model') ?? undefined;
  if (question !== undefined || model !== undefined) {
    history.replaceState(null, '', location.pathname);
  }
  return { question, model };
}
