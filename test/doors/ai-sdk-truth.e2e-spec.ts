import { describeEnds } from '../support/truth.js';
import { UI_CHAT_CLIENTS } from '../support/ui-chat-clients.js';

describeEnds('ai-sdk-ends', UI_CHAT_CLIENTS);
