import { computed, onScopeDispose, ref, shallowRef } from 'vue';
import { checksOf, examine } from 'llm-cast-doctor/examine';
import type { Finding } from 'llm-cast-doctor/finding';
import { written } from 'llm-cast-doctor/report';
import { credential } from '../access/credential';
import { SERVER } from '../page-info';

/** A check that has not yet said anything. */
export interface Pending {
  id: Finding['id'];
  title: string;
  status: 'running' | 'waiting';
}

/** Examines the server of this page, as this page. */
export function useDoctor() {
  const findings = shallowRef<Finding[]>([]);
  const isRunning = ref(false);
  const asksModel = ref(false);
  /** Why the run ended before its last check. */
  const brokeOff = ref<string>();
  let run: AbortController | undefined;

  const pending = computed<Pending[]>(() => {
    if (!isRunning.value) return [];
    const checks = checksOf(asksModel.value);
    const last = checks.findIndex(({ id }) => id === findings.value.at(-1)?.id);
    return checks
      .slice(last + 1)
      .map(({ id, title }, at) => ({ id, title, status: at === 0 ? 'running' : 'waiting' }));
  });

  /** Begins anew. @param generate whether the model is asked too */
  async function start(generate: boolean): Promise<void> {
    run?.abort();
    const { signal } = (run = new AbortController());
    findings.value = [];
    asksModel.value = generate;
    brokeOff.value = undefined;
    isRunning.value = true;
    const { origin } = location;
    try {
      for await (const finding of examine(SERVER.replace(/\/$/, ''), {
        origin,
        generate,
        token: credential.value,
        signal,
      })) {
        if (signal.aborted) return;
        findings.value = [...findings.value, finding];
      }
    } catch (error) {
      if (!signal.aborted) brokeOff.value = String(error);
    } finally {
      if (!signal.aborted) isRunning.value = false;
    }
  }

  /** For an issue or a colleague. */
  const report = computed(() =>
    [
      `llm-cast doctor, ${location.href}, ${new Date().toISOString()}`,
      `${navigator.userAgent}\n`,
      ...findings.value.map((finding) => written(finding).trimEnd()),
      ...(brokeOff.value === undefined ? [] : [`\nThe doctor broke off: ${brokeOff.value}`]),
      '',
    ].join('\n'),
  );

  onScopeDispose(() => run?.abort());
  return { findings, pending, isRunning, brokeOff, report, start };
}
