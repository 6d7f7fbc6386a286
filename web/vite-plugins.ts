import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

const read = (name: string): string =>
  readFileSync(new URL(`./src/${name}`, import.meta.url), 'utf8');

/** Puts net.js into the page as it is: a module, which Vite makes of the rest, runs in no old browser. */
export function net(): Plugin {
  let isBuild = false;
  return {
    name: 'llm-cast:net',
    configResolved: ({ command }) => void (isBuild = command === 'build'),
    buildStart() {
      if (isBuild) this.emitFile({ type: 'asset', name: 'net.js', source: read('net.js') });
    },
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle = {} }) {
        const built = Object.keys(bundle).find((name) => /\bnet-[\w-]+\.js$/.test(name));
        return [
          { tag: 'script', attrs: { src: `./${built ?? 'src/net.js'}` }, injectTo: 'head-prepend' },
        ];
      },
    },
  };
}

/** Tells the service worker which files the page begins with. */
export function serviceWorker(): Plugin {
  return {
    name: 'llm-cast:service-worker',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const page = bundle['index.html'];
        if (page?.type !== 'asset') return;
        const html = String(page.source);
        const own = [...html.matchAll(/(?:src|href)="\.?\/?(assets\/[^"]+)"/g)].map(
          ([, name]) => name!,
        );
        const files = ['./', 'page.json', 'icon.svg', ...new Set(own)];
        const worker = read('sw.js');
        const version = createHash('sha256')
          .update(html + worker)
          .digest('hex')
          .slice(0, 12);
        const source = worker
          .replace('__FILES__', JSON.stringify(files))
          .replace('__VERSION__', JSON.stringify(version));
        this.emitFile({ type: 'asset', fileName: 'sw.js', source });
      },
    },
  };
}
