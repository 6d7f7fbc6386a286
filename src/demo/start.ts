import { loadConfig } from '../config/load.js';
import { startFakeOllama } from '../fake-ollama/server.js';
import { type RunningServer, startServer } from '../server.js';
import { DemoModule } from './demo.module.js';
import { docsModel, LONG_QUESTION, QUESTIONS } from './docs-model.js';
import { documents } from './documents.js';
import { FaultProxy } from './fault-proxy.js';

/** As a model of middle size on a good GPU. The waiting line is llm-cast's, so this one has none. */
const PACE = {
  rate: 40,
  jitter: 0.5,
  firstTokenMs: 300,
  loadMs: 1_000,
  pullRate: 250,
  parallel: 1_000,
};

/**
 * Starts the server on a built-in upstream that knows llm-cast's documents, with a proxy in front of
 * Socket.IO that can break connections.
 * @param env settings; those of the upstream are the demo's own
 * @param warn called with a sentence for each setting that is misspelt or has no effect
 * @throws Error when a port cannot be listened on; nothing is left open then
 */
export async function startDemo(
  env: NodeJS.ProcessEnv,
  warn?: (sentence: string) => void,
): Promise<RunningServer> {
  const upstream = await startFakeOllama({ port: 0, ...PACE, answer: docsModel(documents()) });
  let proxy: FaultProxy | undefined;
  try {
    const settings = {
      LOG_LEVEL: 'warn',
      ALLOW_PULL: 'true',
      ...env,
      OLLAMA_BASE_URL: upstream.url,
      OLLAMA_MODEL: 'demo',
      // Everybody who reaches the demo would use what it names, with its key.
      OPENAI_BASE_URL: undefined,
      // Other nodes would hand it requests, and it would begin them with its own model.
      REDIS_URL: undefined,
    };
    const { HOST: host, PORT, SOCKET_PORT } = loadConfig(settings, warn);
    // The proxy cannot share a port with REST; the page is told where it is.
    proxy = await FaultProxy.listen({ host, port: SOCKET_PORT === PORT ? 0 : SOCKET_PORT });
    const server = await startServer(loadConfig({ ...settings, SOCKET_PORT: '0' }), {
      questions: QUESTIONS,
      longQuestion: LONG_QUESTION,
      socketPort: proxy.port,
      module: DemoModule.with(proxy),
    });
    const socketUrl = new URL(server.socketUrl);
    proxy.target = {
      host: socketUrl.hostname.replace(/^\[|\]$/g, ''),
      port: Number(socketUrl.port),
    };
    socketUrl.port = String(proxy.port);
    return {
      url: server.url,
      socketUrl: socketUrl.origin,
      close: async () => {
        await server.close();
        await Promise.all([proxy?.close(), upstream.close()]);
      },
    };
  } catch (error) {
    await Promise.all([proxy?.close(), upstream.close()]);
    throw error;
  }
}
