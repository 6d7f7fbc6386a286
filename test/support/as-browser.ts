/** What a browser says when it opens a page. Without it `/` answers as an Ollama does. */
export const AS_BROWSER = { headers: { accept: 'text/html' } };
