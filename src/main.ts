import { loadConfig } from './config/load.js';
import {
  exitAtSecondSignal,
  exitWithReason,
  refuseArguments,
  surviveClosedLog,
} from './cli/process.js';
import { startServer } from './server.js';

refuseArguments('npx llm-cast');
exitAtSecondSignal();
surviveClosedLog();
try {
  await startServer(loadConfig());
} catch (error) {
  exitWithReason(error);
}
