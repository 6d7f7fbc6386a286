import { type Refused, sentenceOf } from '../refused.js';

/** What OpenAI's API calls a kind of error, by its HTTP status. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
};
const SERVER_ERROR = 500;

/** An error as the clients of OpenAI read it, in a body and in a stream. */
export function errorBody(refused: Refused): {
  error: { message: string; type: string; param: string | null; code: string };
} {
  const { status, code, details = [] } = refused;
  const [first] = details;
  const type = TYPES[status] ?? (status < SERVER_ERROR ? 'invalid_request_error' : 'server_error');
  return {
    error: {
      message: sentenceOf(refused),
      type,
      param: first === undefined || first.path === '' ? null : first.path,
      code,
    },
  };
}
