import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

/** Where `npm run start:dev` or `npm run demo` answers, for `npm run dev -w web`. */
const SERVER = 'http://localhost:3000';

export default defineConfig({
  plugins: [vue()],
  build: {
    // Browsers of spring 2023 and later.
    target: ['chrome111', 'edge111', 'firefox114', 'safari16.4'],
    // The policy of the server lets no inline resource load, images apart.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // The worker loads what colours code as a part of its own.
  worker: { format: 'es' },
  server: {
    proxy: { '/page.json': SERVER, '/llm': SERVER, '/health': SERVER, '/demo': SERVER },
  },
});
