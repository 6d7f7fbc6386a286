import type { Cast, ConnectOptions, Refusal } from 'llm-cast-client';
import { onScopeDispose, shallowRef } from 'vue';
import { SERVER } from '../page-info';
import { authorization, credential, keepCredential } from './credential';

/** Why the server wants another credential. */
export type Refused = Pick<Refusal, 'code' | 'message'>;

/** Asks for a key or a token where the server wants one, and connects with it. */
export function useSignIn() {
  /** Undefined while the server serves this tab as it is. */
  const refused = shallowRef<Refused>();
  const waiting = new Set<() => void>();
  let tryAgain = (): void => undefined;

  /**
   * For the client: what the server accepts. While somebody has yet to give it, the connection waits,
   * and with it every answer that runs.
   */
  const token: NonNullable<ConnectOptions['token']> = async () => {
    for (;;) {
      const given = credential.value;
      const refusal = await refusalOf(given);
      if (given !== credential.value) continue;
      refused.value = refusal;
      if (refusal === undefined) return given;
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  };

  function give(text: string): void {
    keepCredential(text);
    for (const resolve of waiting) resolve();
    waiting.clear();
    tryAgain();
  }

  /** What is refused only as it connects, such as a token that was taken back in between. */
  function watch(cast: Cast): void {
    tryAgain = () => cast.connection.state === 'refused' && cast.open();
    const stop = cast.subscribe(() => {
      const { state, error } = cast.connection;
      if (state !== 'refused' || error === undefined || !isOfCredential(error.code)) return;
      refused.value = { code: error.code as Refused['code'], message: error.message };
    });
    onScopeDispose(stop);
  }

  return { token, refused, give, watch };
}

/** What the server says of a credential, or of none; undefined where it serves, or cannot be asked. */
async function refusalOf(given: string | undefined): Promise<Refused | undefined> {
  try {
    const response = await fetch(`${SERVER}llm/me`, { headers: authorization(given) });
    if (response.ok) return undefined;
    const { code, message } = (await response.json()) as Refusal;
    return isOfCredential(code) || code === 'rate_limited' ? { code, message } : undefined;
  } catch {
    // The connection, which is tried next, says what is wrong.
    return undefined;
  }
}

const isOfCredential = (code: string): boolean =>
  code === 'unauthorized' || code === 'auth_expired';
