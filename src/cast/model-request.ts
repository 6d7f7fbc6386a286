import type { ChatFields, GenerateFields } from '../protocol/model-fields.js';

type Asked<Fields> = Omit<Fields, 'model' | 'onDisconnect' | 'audience'>;

/** A request as the generation decided it: what is asked of which model. */
export type ModelRequest = { model: string } & (
  | ({ endpoint: 'generate' } & Asked<GenerateFields>)
  | ({ endpoint: 'chat' } & Asked<ChatFields>)
  | { endpoint: 'pull' }
);
