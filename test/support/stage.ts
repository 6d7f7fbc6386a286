import type { RunningServer } from '../../src/server.js';
import { startApp } from './app.js';
import { Client } from './client.js';
import { ScriptedUpstream, type UpstreamCall } from './scripted-upstream.js';

/** What most tests stand on: a scripted upstream, the application on it, and clients of that. */
export class Stage {
  private readonly clients: Client[] = [];

  private constructor(
    readonly upstream: ScriptedUpstream,
    readonly app: RunningServer,
  ) {}

  /** @param env what the application's environment has besides the upstream */
  static async open(env: Record<string, string | number> = {}): Promise<Stage> {
    const upstream = await ScriptedUpstream.start();
    try {
      return new Stage(upstream, await startApp({ OLLAMA_BASE_URL: upstream.url, ...env }));
    } catch (error) {
      await upstream.close();
      throw error;
    }
  }

  /** @param userId whose socket it says it is */
  async connect(userId?: unknown, socketUrl = this.app.socketUrl): Promise<Client> {
    const options = userId === undefined ? {} : { auth: { userId } };
    const client = await Client.connect(socketUrl, options);
    this.clients.push(client);
    return client;
  }

  /** Starts a generation; there must be a slot for it. */
  async generate(
    client: Client,
    fields: object = {},
  ): Promise<{ id: string; request: UpstreamCall }> {
    const asked = { prompt: 'why is the sky blue?', ...fields };
    const { generationId } = await client.accepted('generate', asked);
    return { id: generationId, request: await this.upstream.nextCall() };
  }

  /** Closes the clients so far. */
  hangUp(): void {
    for (const client of this.clients.splice(0)) client.close();
  }

  async close(): Promise<void> {
    this.hangUp();
    await this.app.close();
    await this.upstream.close();
  }
}
