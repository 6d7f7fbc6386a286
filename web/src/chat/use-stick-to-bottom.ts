import { onMounted, onScopeDispose, ref, type Ref } from 'vue';

/** A reader within so many pixels of the end is at the end. */
const NEAR_PX = 48;

/**
 * Keeps the end in view while its reader is there, and leaves a reader alone who has scrolled up.
 * @param viewport scrolls; its first child is what grows
 * @param isEmpty whether there is nothing to follow; what stands there then is read from its beginning
 */
export function useStickToBottom(viewport: Ref<HTMLElement | null>, isEmpty: () => boolean) {
  const isAtBottom = ref(true);
  let top = 0;

  function jump(): void {
    isAtBottom.value = true;
    const { value: element } = viewport;
    if (element === null) return;
    element.scrollTop = isEmpty() ? 0 : element.scrollHeight;
    top = element.scrollTop;
  }

  function look(): void {
    const { value: element } = viewport;
    if (element === null) return;
    const { scrollTop, scrollHeight, clientHeight } = element;
    const end = scrollHeight - clientHeight;
    // Some browsers let one pull beyond the end.
    const now = Math.min(scrollTop, end);
    const left = end - now;
    if (left <= 1 || (left < NEAR_PX && now > top)) isAtBottom.value = true;
    // Growth alone takes the end out of view too: only who goes up leaves it, by however little.
    else if (now < top) isAtBottom.value = false;
    top = now;
  }

  const grown = new ResizeObserver(() => {
    if (isAtBottom.value) jump();
  });
  onMounted(() => {
    const { value: element } = viewport;
    if (element === null) return;
    element.addEventListener('scroll', look, { passive: true });
    grown.observe(element);
    if (element.firstElementChild !== null) grown.observe(element.firstElementChild);
  });
  onScopeDispose(() => grown.disconnect());

  return { isAtBottom, jump };
}
