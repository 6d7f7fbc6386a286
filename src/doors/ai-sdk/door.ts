import type { Door } from '../door.js';
import { errorText } from './error-text.js';

/** For the clients of the AI SDK's UI message stream: everything below `/ai`. */
export const aiSdkDoor: Door = {
  name: 'ai-sdk',
  owns: (path) => path === '/ai' || path.startsWith('/ai/'),
  refusal: errorText,
  // The workflow transport names none, and a browser then writes text/plain.
  takesAnyContentType: 'pages',
};
