import {
  generationStoreContract,
  MAX_LOG_BYTES,
  RETAIN_MS,
} from '../../../test/support/generation-store-contract.js';
import { loadConfig } from '../../config/load.js';
import { MemoryStore } from './memory-store.js';

generationStoreContract('MemoryStore', () => {
  const store = new MemoryStore(
    loadConfig({ RETAIN_MS: String(RETAIN_MS), MAX_LOG_BYTES: String(MAX_LOG_BYTES) }),
  );
  return Promise.resolve({ store, elsewhere: store });
});
