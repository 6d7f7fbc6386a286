import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

/** Where `npm run start:dev` or `npm run demo` answers, for `npm run dev -w web`. */
const SERVER = 'http://localhost:3000';

export default defineConfig({
  plugins: [vue()],
  build: {
    target: 'es2022',
    // The policy of the server lets no inline resource load, images apart.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/page.json': SERVER, '/llm': SERVER, '/health': SERVER, '/demo': SERVER },
  },
});
