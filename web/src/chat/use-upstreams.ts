import { shallowRef, watch } from 'vue';
import { authorization, credential } from '../access/credential';
import { SERVER } from '../page-info';
import type { UpstreamHealth } from './readiness';

/** Which upstreams the server has, and whether each answers. Empty until the server has told. */
export function useUpstreams() {
  const upstreams = shallowRef<readonly UpstreamHealth[]>([]);

  /** Asks anew. Where the server does not answer, what is known stays: the banner tells of it. */
  async function refresh(): Promise<void> {
    try {
      // 503 with the same body, where none answers.
      const response = await fetch(`${SERVER}health/ready`, { headers: authorization() });
      const body = (await response.json()) as { upstreams?: UpstreamHealth[] };
      upstreams.value = body.upstreams ?? [];
    } catch {
      // Neither the server nor a proxy in front of it has given a list.
    }
  }
  void refresh();
  // A server that asks for a credential tells only those who have one.
  watch(credential, refresh);

  return { upstreams, refresh };
}
