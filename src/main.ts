import { loadConfig } from './config/load.js';
import { exitAtSecondSignal, exitWithReason, surviveClosedLog } from './cli/process.js';
import { startServer } from './server.js';

exitAtSecondSignal();
surviveClosedLog();
try {
  await startServer(loadConfig());
} catch (error) {
  exitWithReason(error);
}
