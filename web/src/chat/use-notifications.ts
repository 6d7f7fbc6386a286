import { computed, ref } from 'vue';
import { browserStorage } from './browser-storage';

const KEY = 'llm-cast notifies';

const isAllowed = (): boolean =>
  'Notification' in globalThis && Notification.permission === 'granted';
const wanted = ref(browserStorage.read(KEY) === 'yes' && isAllowed());

/** Whether the browser tells of an answer that ends while nobody looks at the page. */
export function useNotifications() {
  async function toggle(): Promise<void> {
    const asks = !wanted.value && 'Notification' in globalThis;
    wanted.value = asks && (await Notification.requestPermission()) === 'granted';
    browserStorage.write(KEY, wanted.value ? 'yes' : null);
  }
  return { notifies: computed(() => wanted.value), toggle };
}

/** Tells that an answer has ended, where that is wanted and nobody looks. */
export function notify(title: string, body: string): void {
  if (!wanted.value || !isAllowed() || document.visibilityState === 'visible') return;
  try {
    const notification = new Notification(title, { body, tag: title });
    notification.addEventListener('click', () => {
      window.focus();
      notification.close();
    });
  } catch {
    // Android has them only for service workers.
    void navigator.serviceWorker?.ready.then((registration) =>
      registration.showNotification(title, { body, tag: title }),
    );
  }
}
