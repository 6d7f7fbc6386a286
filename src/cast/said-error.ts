import { isShallow } from '../protocol/json-depth.js';
import { isObject, type JsonObject, jsonOrText } from './decoding/json.js';

/** Deepest error inside an error that is opened. */
const MAX_DEPTH = 6;
/** Longest text that is looked into for JSON: servers wrap errors of other servers in text. */
const NESTED_CHARS = 65_536;

/** What a server said of an error. */
export interface SaidError {
  /** Its sentence. */
  message: string;
  /** Type, code and the like, separated by blanks: servers put what matters into any of them. */
  labels: string;
  /** The HTTP status that it names itself. */
  status: number | undefined;
}

/** Where servers put the sentence, the first that is there. */
const MESSAGES = [
  'message',
  'msg',
  'error_msg',
  'error_message',
  'errorMessage',
  'status_msg',
  'detail',
  'error_description',
  'reason',
  'text',
];
/** Where they put another error that says more. */
const INNER = ['error', 'errors', 'detail', 'base_resp', 'Error', 'Response'];
/** What says whether it worked; and what only an answer has, or something else that is no error. */
const CODES = ['code', 'status_code', 'error_code', 'errorCode'];
const OF_AN_ANSWER = ['choices', 'usage', 'object', 'success', 'type', 'status', 'event'];
const LABELS = ['type', 'code', 'error_code', 'errorCode', 'status_code', 'status', 'param'];

/** Reads an error in whatever form: text, an object, a list, JSON inside text. */
export function readError(said: unknown, depth = 0): SaidError {
  // To write it as text, or to look into it, would run out of stack.
  if (depth > MAX_DEPTH || !isShallow(said)) return { message: '', labels: '', status: undefined };
  if (typeof said === 'string') return readText(said, depth);
  if (Array.isArray(said)) return readList(said, depth);
  if (!isObject(said)) {
    return { message: JSON.stringify(said) ?? '', labels: '', status: undefined };
  }
  const labels = LABELS.map((name) => said[name]).filter(isLabel);
  const own = labels.join(' ');
  const status = labels.map(asStatus).find((one) => one !== undefined);
  const inner = INNER.map((name) => said[name]).find((one) => one !== undefined && one !== null);
  const message = MESSAGES.map((name) => said[name]).find((one) => typeof one === 'string');
  if (inner !== undefined && (isNested(inner) || message === undefined)) {
    const nested = readError(inner, depth + 1);
    return {
      message: nested.message || message || '',
      labels: [own, nested.labels].filter((text) => text !== '').join(' '),
      status: nested.status ?? status,
    };
  }
  if (typeof message !== 'string') return { message: '', labels: own, status };
  const nested = readText(message, depth + 1);
  const label = typeof inner === 'string' && inner !== message ? inner : '';
  return {
    message: nested.message,
    labels: [own, label, nested.labels].filter((text) => text !== '').join(' '),
    status: nested.status ?? status,
  };
}

/**
 * The error that a frame of a good answer holds, in whatever form; undefined where it holds none.
 * Known: `error` (OpenAI), a flat `code` and `message`, `object: "error"` (vLLM), `error_code`
 * (FastChat, Baidu), `base_resp` (MiniMax), `header.code` (Spark), `errors`, `success: false`, and a
 * message with nothing else.
 */
export function errorIn(frame: JsonObject): SaidError | undefined {
  const { error } = frame;
  if (error !== undefined && error !== null && error !== false && error !== '') {
    return readError(frame);
  }
  if (Array.isArray(frame['choices']) && frame['choices'].length > 0) return undefined;
  const { base_resp: base, header, errors } = frame;
  if (isObject(base) && isFailure(base['status_code'])) return readError(base);
  if (isObject(header) && isFailure(header['code'])) return readError(header);
  if (isFailure(frame['error_code']) || isFailure(frame['errorCode'])) return readError(frame);
  if (Array.isArray(errors) && errors.length > 0) return readError(frame);
  const isNamed = [frame['object'], frame['type'], frame['status'], frame['event']].some(
    (name) => name === 'error' || name === 'failed',
  );
  if (isNamed || frame['success'] === false) return readError(frame);
  if (frame['detail'] !== undefined) return readError(frame);
  const hasMessage = MESSAGES.some((name) => typeof frame[name] === 'string');
  return hasMessage && !isWell(frame) ? readError(frame) : undefined;
}

/** Whether a frame with a message says that nothing is wrong, or is a chunk of an answer after all. */
function isWell(frame: JsonObject): boolean {
  const codes = CODES.map((name) => frame[name]).filter(isLabel);
  if (codes.some(isFailure)) return false;
  return codes.length > 0 || OF_AN_ANSWER.some((name) => name in frame);
}

function readText(said: string, depth: number): SaidError {
  const start = said.trimStart();
  if ((start.startsWith('{') || start.startsWith('[')) && said.length <= NESTED_CHARS) {
    const nested = jsonOrText(said);
    if (typeof nested !== 'string') {
      const read = readError(nested, depth + 1);
      if (read.message !== '') return read;
    }
  }
  return { message: said, labels: '', status: undefined };
}

/** The first few errors of a list, each with the place that it names (FastAPI's `loc`). */
function readList(said: readonly unknown[], depth: number): SaidError {
  const read = said.slice(0, 3).map((one) => {
    const { message, labels, status } = readError(one, depth + 1);
    const place = isObject(one) && Array.isArray(one['loc']) ? one['loc'].join('.') : '';
    return { message: place === '' ? message : `${place}: ${message}`, labels, status };
  });
  return {
    message: read.map(({ message }) => message).join('; '),
    labels: read.map(({ labels }) => labels).join(' '),
    status: read[0]?.status,
  };
}

function isNested(value: unknown): boolean {
  return typeof value === 'object' || (typeof value === 'string' && /^\s*[[{]/.test(value));
}

function isLabel(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

function asStatus(label: string | number): number | undefined {
  const status = Number(label);
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : undefined;
}

/** Whether a code says that something failed; 0, 200 and words of success do not. */
function isFailure(code: unknown): boolean {
  if (typeof code === 'number') return code !== 0 && (code < 200 || code > 299);
  return typeof code === 'string' && !/^(0*|2\d\d|ok|success)$/i.test(code);
}
