import { shortBearer } from './short-tokens.js';

/** What a REST call answered. */
export interface Answer {
  status: number;
  headers: Headers;
  // The tests assert on the fields they expect.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

/** Calls the server; a `body` is sent as JSON. */
export async function call(
  method: string,
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(await shortBearer()),
      ...headers,
    },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}
