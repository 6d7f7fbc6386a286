import { OLLAMA_CLIENTS } from '../support/ollama-clients.js';
import { describeEnds } from '../support/truth.js';

describeEnds('ollama-ends', OLLAMA_CLIENTS, ['ollama-js, chat']);
