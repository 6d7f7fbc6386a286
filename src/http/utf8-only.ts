import type { IncomingMessage } from 'node:http';

const REFUSAL = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';

/**
 * Cuts a request whose body is not UTF-8. Engine.IO would put U+FFFD in place of what is not; a
 * WebSocket with such a message is closed too (RFC 6455, section 8.1). JSON bodies are looked at where
 * they are parsed. To be called before any of the body has come.
 */
export function acceptUtf8Only(request: IncomingMessage): void {
  const { headers, method } = request;
  if (method !== 'POST' || headers['content-type']?.includes('json')) return;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const push = request.push.bind(request);
  request.push = (piece: Buffer | null, encoding) => {
    try {
      if (piece === null) decoder.decode();
      else decoder.decode(piece, { stream: true });
    } catch {
      request.push = push;
      request.socket.write(REFUSAL);
      request.socket.destroySoon();
      return false;
    }
    return push(piece, encoding);
  };
}
