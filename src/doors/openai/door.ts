import type { Door } from '../door.js';
import { errorBody } from './error-body.js';

/** For the clients of OpenAI: everything below `/v1`. */
export const openAiDoor: Door = {
  name: 'openai',
  owns: (path) => path === '/v1' || path.startsWith('/v1/'),
  refusal: errorBody,
};
