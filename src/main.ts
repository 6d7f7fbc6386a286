import { loadConfig } from './config.js';
import { exitAtSecondSignal, exitWithReason } from './process.js';
import { startServer } from './server.js';

exitAtSecondSignal();
try {
  await startServer(loadConfig());
} catch (error) {
  exitWithReason(error);
}
