import type { Request, RequestHandler } from 'express';

const RUNNING = 'Ollama is running';

/**
 * Answers `GET /` and `HEAD /` as Ollama does, by which its clients learn that it is there. A browser
 * goes on to the page.
 */
export const answerProbe: RequestHandler = (request, response, next) => {
  const isProbe = request.path === '/' && /^(GET|HEAD)$/.test(request.method);
  if (!isProbe) return next();
  response.vary('Accept');
  if (isBrowser(request)) return next();
  response.type('text/plain').send(RUNNING);
};

/** Its worker asks for the page with `Accept: *\/*`. */
function isBrowser(request: Request): boolean {
  const { accept = '', 'user-agent': agent = '' } = request.headers;
  return accept.includes('text/html') || agent.startsWith('Mozilla/');
}
