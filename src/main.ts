import { loadConfig } from './config.js';
import { exitAtSecondSignal, exitWithReason, surviveClosedLog } from './process.js';
import { startServer } from './server.js';

exitAtSecondSignal();
surviveClosedLog();
try {
  await startServer(loadConfig());
} catch (error) {
  exitWithReason(error);
}
