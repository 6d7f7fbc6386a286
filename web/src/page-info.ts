/** What the server tells its page, as `GET /page.json`. */
export interface PageInfo {
  /** Where Socket.IO is, relative to the page; null = `socketPort` of the page's own host. */
  socketUrl: string | null;
  socketPort: number;
  /** What Socket.IO offers, the one to begin with first. */
  socketTransports: ('polling' | 'websocket')[];
  /** Model of questions that name none. */
  model: string;
  /** Whether no list shows that model, although it can be asked. */
  isModelHidden: boolean;
  /** Whether the page may have a model pulled. */
  allowPull: boolean;
  /** Most bytes of a request; the server hangs up on a larger one. */
  maxRequestBytes: number;
  /** In the demo: questions to start with, and one whose answer leaves time to break it. */
  demo: { questions: string[]; longQuestion: string } | null;
}

/** Where the server is for this page, below whatever path a proxy shows it: with a slash at the end. */
export const SERVER = new URL('.', location.href).href;

/** The server has not told the page what it has to know. */
export class ServerSilent extends Error {}

/** @throws ServerSilent when the server does not answer */
export async function loadPageInfo(): Promise<PageInfo> {
  try {
    const response = await fetch(`${SERVER}page.json`);
    if (!response.ok) throw new Error(`/page.json answers ${response.status}`);
    return (await response.json()) as PageInfo;
  } catch (error) {
    throw new ServerSilent('The server does not answer.', { cause: error });
  }
}

/** The address for `connect`. */
export function socketUrlOf({ socketUrl, socketPort }: PageInfo): string {
  if (socketUrl !== null) return new URL(socketUrl, SERVER).href;
  const url = new URL(location.origin);
  url.port = String(socketPort);
  return url.href;
}
