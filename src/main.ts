import { ConfigError, loadConfig } from './config.js';
import { startServer } from './server.js';

try {
  await startServer(loadConfig());
} catch (error) {
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (error instanceof ConfigError) console.error(`llm-cast cannot start: ${error.message}`);
  else if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    console.error(`llm-cast cannot listen on port ${port} (${code}): see PORT, SOCKET_PORT, HOST.`);
  } else console.error(error);
  process.exit(1);
}
