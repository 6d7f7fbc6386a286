import type { Door } from '../door.js';
import { errorLine } from './error-line.js';

/** For the clients of Ollama: everything below `/api`. */
export const ollamaDoor: Door = {
  name: 'ollama',
  owns: (path) => path === '/api' || path.startsWith('/api/'),
  refusal: errorLine,
  // Ollama looks at no content type, and its documents ask with `curl -d`, which says that it is a form.
  takesAnyContentType: 'programs',
};
