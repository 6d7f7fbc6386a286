import { errorIn, readError } from './said-error.js';

const textOf = (said: unknown): string => {
  const { message, labels } = readError(said);
  return `${message} ${labels}`.trim();
};

describe('readError', () => {
  it.each([
    ['{"error":{"message":"m","type":"t","param":null,"code":"c"}}', 'm t c'],
    ['{"error":{"message":"m","code":404}}', 'm 404'],
    ['{"error":"Unauthorized"}', 'Unauthorized'],
    ['{"error":"model_not_found","message":"m"}', 'm model_not_found'],
    ['{"object":"error","message":"m","code":40301}', 'm 40301'],
    ['{"detail":"Not Found"}', 'Not Found'],
    ['{"detail":[{"loc":["body","x"],"msg":"m","type":"t"}]}', 'body.x: m t'],
    ['{"errors":[{"code":7,"message":"m"}]}', 'm 7'],
    ['{"error_code":50004,"error_msg":"m"}', 'm 50004'],
    ['{"base_resp":{"status_code":1004,"status_msg":"m"}}', 'm 1004'],
    ['<html>502</html>', '<html>502</html>'],
    ['null', 'null'],
    ['', ''],
  ])('finds the text of %s', (body, text) => {
    expect(textOf(body)).toBe(text);
  });

  it('opens an error that stands as text inside another', () => {
    const inner = { error: { code: 400, message: 'too long', type: 'exceed' } };
    const body = JSON.stringify({ error: JSON.stringify(inner) });
    expect(readError(body)).toEqual({ message: 'too long', labels: 'exceed 400', status: 400 });
  });

  it.each<[unknown, number | undefined]>([
    [{ error: { code: 429 } }, 429],
    [{ error: { code: '503', message: 'm' } }, 503],
    [{ error: { code: 1004, message: 'm' } }, undefined],
    [{ error: { code: 'c', message: 'm' } }, undefined],
    [{ error: { code: 200, message: 'm' } }, undefined],
  ])('takes only an HTTP status for one: %j', (said, status) => {
    expect(readError(said).status).toBe(status);
  });

  it.each(['[', '{"error":', '{"error":"{\\"error\\":'])('survives what has no end: %s', (open) => {
    const close = open === '[' ? ']' : '}';
    const body = `${open.repeat(7_000)}0${close.repeat(7_000)}`;
    expect(() => readError(body)).not.toThrow();
  });
});

describe('errorIn', () => {
  it.each([
    { error: { message: 'm' } },
    { error: 'm' },
    { code: 500, message: 'm' },
    { code: '1305', msg: 'm' },
    { code: 'InvalidParameter', message: 'm', request_id: 'r' },
    { choices: [], code: 500, message: 'm' },
    { object: 'error', message: 'm', type: 'invalid', code: 40301 },
    { type: 'error', message: 'm' },
    { error_code: 50_004, text: 'm' },
    { errorCode: 'X', errorMessage: 'm' },
    { base_resp: { status_code: 1004, status_msg: 'm' } },
    { choices: null, base_resp: { status_code: 1002, status_msg: 'm' } },
    { header: { code: 10_013, message: 'm' } },
    { success: false, errors: [{ message: 'm' }] },
    { errors: ['m'] },
    { status: 'error', message: 'm' },
    { detail: 'm' },
  ])('finds the error of %j', (frame) => {
    expect(errorIn(frame)?.message).toBe('m');
  });

  it.each([
    {},
    { choices: [{ delta: { content: 'a' } }] },
    { choices: [{ delta: {} }], base_resp: { status_code: 0, status_msg: '' } },
    { choices: [], usage: {} },
    { choices: [{ delta: {} }], code: 500, message: 'a legend of a field' },
    { base_resp: { status_code: 0, status_msg: 'success' }, usage: {} },
    { error: null, errors: [] },
    { header: { code: 0, message: 'Success' } },
    { error_code: 0, text: 'a' },
    { code: 0, message: 'ok' },
    { code: '200', message: 'ok' },
    { object: 'chat.completion.chunk', message: 'm' },
    { type: 'ping' },
  ])('finds none in %j', (frame) => {
    expect(errorIn(frame)).toBeUndefined();
  });
});
