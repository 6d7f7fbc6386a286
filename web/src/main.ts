import { createApp } from 'vue';
import App from './App.vue';
import { registerShell } from './register-shell';

async function start(): Promise<void> {
  // Firefox has popovers since 2024, Chrome and Safari since 2023.
  if (!('popover' in HTMLElement.prototype)) (await import('@oddbird/popover-polyfill/fn')).apply();
  createApp(App).mount('#app');
  // From here on, the page says by itself what is wrong; until then, net.js does.
  document.documentElement.dataset['page'] = 'there';
  registerShell();
}
void start();
