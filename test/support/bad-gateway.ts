import { createServer, type IncomingMessage, request as ask, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a gateway does wrong; nothing = it passes all on as it is. */
export interface Wrong {
  /** Answers by itself. @returns undefined for what it passes on */
  answers?(method: string, path: string): { status: number; body: string } | undefined;
  /** The path that it asks in place of this one. */
  path?(path: string): string;
  /** The status that it makes of this one. */
  status?(status: number): number;
  /** The headers that it leaves out. */
  without?: string;
  /** What it makes of an event or line, or of a whole body that is not streamed. */
  piece?(piece: string): string;
  /** It gives everything at the end. */
  holds?: true;
  /** It goes on reading when its client has gone. */
  keepsReading?: true;
  /** It ends answers whose server is silent for so long, in milliseconds. */
  cutsSilenceMs?: number;
}

/** A gateway in front of a good server, which spoils one thing. */
export class BadGateway {
  wrong: Wrong = {};
  private readonly server = createServer((request, response) => this.pass(request, response));

  private constructor(private readonly target: string) {}

  static async start(target: string, wrong: Wrong = {}): Promise<BadGateway> {
    const gateway = new BadGateway(target);
    gateway.wrong = wrong;
    await new Promise<void>((resolve) => gateway.server.listen(0, '127.0.0.1', resolve));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(request: IncomingMessage, response: ServerResponse): void {
    const { wrong } = this;
    const { method = '', url: path = '' } = request;
    const own = wrong.answers?.(method, path);
    if (own !== undefined) return void response.writeHead(own.status).end(own.body);
    const { host: _host, ...headers } = request.headers;
    const asked = ask(
      `${this.target}${wrong.path?.(path) ?? path}`,
      { method, headers },
      (answer) => spoil(answer, response, wrong),
    );
    asked.on('error', () => response.destroy());
    if (wrong.keepsReading === undefined) response.once('close', () => asked.destroy());
    response.on('error', () => undefined);
    request.pipe(asked);
  }
}

function spoil(answer: IncomingMessage, response: ServerResponse, wrong: Wrong): void {
  const { 'content-length': _length, ...headers } = answer.headers;
  if (wrong.without !== undefined) delete headers[wrong.without];
  const given = answer.statusCode ?? 0;
  response.writeHead(wrong.status?.(given) ?? given, headers).flushHeaders();
  const type = answer.headers['content-type'] ?? '';
  const end = type.startsWith('text/event-stream') ? '\n\n' : '\n';
  const isWhole = !/event-stream|ndjson/.test(type);
  let rest = '';
  let held = '';
  const give = (piece: string): void => {
    const made = wrong.piece?.(piece) ?? piece;
    if (wrong.holds) held += made;
    else response.write(made);
  };
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(timer);
    if (wrong.cutsSilenceMs === undefined) return;
    timer = setTimeout(() => response.destroy(), wrong.cutsSilenceMs);
  };
  answer.setEncoding('utf8').on('data', (text: string) => {
    watch();
    const pieces = (rest + text).split(end);
    rest = pieces.pop() ?? '';
    if (isWhole) rest = rest === '' ? pieces.join(end) : [...pieces, rest].join(end);
    else for (const piece of pieces) give(`${piece}${end}`);
  });
  answer.on('end', () => {
    clearTimeout(timer);
    if (rest !== '') give(rest);
    response.end(held);
  });
  answer.on('error', () => response.destroy());
}
