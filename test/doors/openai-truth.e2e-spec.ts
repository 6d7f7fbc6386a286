import { OPENAI_CLIENTS } from '../support/openai-clients.js';
import { describeEnds } from '../support/truth.js';

describeEnds('openai-ends', OPENAI_CLIENTS, ['openai, chat']);
