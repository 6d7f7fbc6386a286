import { loadConfig } from './config/load.js';
import {
  exitAtSecondSignal,
  exitWithReason,
  refuseArguments,
  surviveClosedLog,
  surviveHangup,
  warnOfSetting,
} from './cli/process.js';
import { startServer } from './server.js';

refuseArguments('npx llm-cast');
exitAtSecondSignal();
surviveClosedLog();
surviveHangup();
try {
  await startServer(loadConfig(undefined, warnOfSetting));
} catch (error) {
  exitWithReason(error);
}
