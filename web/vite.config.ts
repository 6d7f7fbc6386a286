import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import vue from '@vitejs/plugin-vue';
import { defineConfig, type Plugin } from 'vite';
import { net, serviceWorker } from './vite-plugins.ts';

/** Where `npm run start:dev` or `npm run demo` answers, for `npm run dev -w web`. */
const SERVER = 'http://localhost:3000';

/** Puts each text beside itself once more, as brotli and as gzip: the server sends what a caller takes. */
function compressed(): Plugin {
  let folder = '';
  return {
    name: 'llm-cast:compressed',
    // Tests that serve a page themselves build it in a mode of their own.
    apply: (_config, { command, mode }) => command === 'build' && mode === 'production',
    configResolved: ({ root, build }) => void (folder = resolve(root, build.outDir)),
    closeBundle() {
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        const file = join(folder, name);
        if (!/\.(html|js|css|svg|webmanifest)$/.test(name)) continue;
        const content = readFileSync(file);
        writeFileSync(`${file}.br`, brotliCompressSync(content));
        writeFileSync(`${file}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  // A proxy may show the server below any path.
  base: './',
  plugins: [vue(), net(), serviceWorker(), compressed()],
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
