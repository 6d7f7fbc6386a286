import type { Cast, CastStream, View } from 'llm-cast-client';
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue';
import { type Checks, checked } from './checks';
import { type Fault, inflict } from './fault';
import { begun, heard, type Incident, told } from './incident';

/** How often the seconds are counted down. */
const TICK_MS = 250;

/** So many records of an answer are there before it is broken. */
const FIRST_RECORDS = 20;

/**
 * Breaks the connection under a running answer, and checks what arrives of it.
 * @param askForOne has the page ask for an answer, where none runs that could be broken
 */
export function useBreakIt(
  cast: Cast,
  generationId: () => string | undefined,
  askForOne: () => void,
) {
  const view = shallowRef<View>();
  const checks = shallowRef<Checks>({ seq: 0, lost: 0, repeated: 0 });
  const reconnects = ref(0);
  const incident = shallowRef<Incident>();
  const problem = ref('');
  const now = ref(performance.now());
  /** The fault that waits for an answer to break. */
  let planned: Fault | undefined;
  let unfollow = (): void => undefined;

  function read(stream: CastStream): void {
    unfollow();
    view.value = stream.view;
    const ends = [
      stream.subscribe(() => {
        const { view: now } = stream;
        if (now.connected && view.value?.connected === false) reconnects.value++;
        view.value = now;
        const { generationId, seq, text, error, result } = now;
        if (result !== undefined || error !== undefined) planned = undefined;
        // The page has left it, because another tab has all of it. The proof is still to come.
        if (error?.code === 'closed' && generationId !== undefined) {
          read(cast.join(generationId, { known: { seq, text } }));
        }
      }),
      stream.onRecord((record) => {
        checks.value = checked(checks.value, record);
        if (planned !== undefined && checks.value.seq >= FIRST_RECORDS) {
          void inflictNow(planned);
        }
        if (incident.value === undefined) return;
        incident.value = heard(incident.value, reconnects.value, performance.now());
      }),
    ];
    unfollow = () => ends.forEach((end) => end());
  }

  function follow(id: string): void {
    // The page reads it already: this is the same stream.
    const stream = cast.join(id);
    checks.value = { seq: stream.view.seq, lost: 0, repeated: 0 };
    reconnects.value = 0;
    incident.value = undefined;
    problem.value = '';
    read(stream);
  }
  watch(generationId, (id) => id !== undefined && follow(id), { immediate: true });

  const isRunning = computed(() => {
    const { result, error } = view.value ?? {};
    return view.value !== undefined && result === undefined && error === undefined;
  });
  const isBroken = computed(
    () => isRunning.value && incident.value !== undefined && !incident.value.isOver,
  );

  function breakIt(fault: Fault): void {
    if (isRunning.value) return void inflictNow(fault);
    planned = fault;
    askForOne();
  }

  async function inflictNow(fault: Fault): Promise<void> {
    const { clientId } = cast;
    planned = undefined;
    problem.value = '';
    if (clientId === undefined) {
      problem.value = 'There is no connection to break at the moment.';
      return;
    }
    const at = performance.now();
    incident.value = begun(fault, checks.value, reconnects.value, at);
    try {
      const ms = await inflict(fault, clientId);
      // Undefined again where another answer is shown by now.
      incident.value &&= { ...incident.value, until: at + ms };
    } catch (error) {
      incident.value = undefined;
      problem.value = error instanceof Error ? error.message : String(error);
    }
  }

  const timer = setInterval(() => (now.value = performance.now()), TICK_MS);
  onScopeDispose(() => {
    clearInterval(timer);
    unfollow();
  });

  const story = computed(() =>
    incident.value === undefined
      ? problem.value
      : told(incident.value, checks.value, !isRunning.value, now.value),
  );

  return { view, checks, reconnects, isRunning, isBroken, story, breakIt };
}
