// Runs one example of the README as its reader would: in a page, with a question typed and sent.
//   node run-example.mjs html|vue|jsx SOCKET_URL < example
// Prints the answer each time that it changes.
import { text } from 'node:stream/consumers';
import { JSDOM } from 'jsdom';

const [kind, socketUrl] = process.argv.slice(2);
const example = (await text(process.stdin)).replaceAll('http://localhost:4321', socketUrl);
const [, script] = /<script type="module">(.*)<\/script>/s.exec(example) ?? [];
const html = kind === 'html' ? example.replace(script, '') : '<div id="app"></div>';

const { window } = new JSDOM(html, { url: 'http://localhost/', pretendToBeVisual: true });
const names = ['window', 'document', 'navigator', 'sessionStorage', 'Event', 'FormData'];
names.push('Node', 'Element', 'HTMLElement', 'SVGElement', 'MathMLElement');
names.push('addEventListener', 'removeEventListener');
// Some of them Node.js has itself, not all of these may be assigned.
for (const name of names) Object.defineProperty(globalThis, name, { value: window[name] });

/** The code as a module; Node.js finds packages from here, not from a `data:` address. */
function load(code) {
  const module = code
    .replaceAll('https://esm.sh/', '')
    .replace(
      /(from\s*)['"]([^'"]+)['"]/g,
      (_all, from, name) => `${from}'${import.meta.resolve(name)}'`,
    );
  return import(`data:text/javascript,${encodeURIComponent(module)}`);
}

const run = {
  html: () => load(script),
  vue: async () => {
    const { compileScript, parse } = await import('vue/compiler-sfc');
    const { createApp } = await import('vue');
    const { content } = compileScript(parse(example).descriptor, {
      id: 'app',
      inlineTemplate: true,
    });
    createApp((await load(content)).default).mount('#app');
  },
  jsx: async () => {
    const { transform } = await import('@swc/core');
    const { createElement } = await import('react');
    const { createRoot } = await import('react-dom/client');
    const { code } = await transform(example, {
      swcrc: false,
      jsc: {
        target: 'es2022',
        parser: { syntax: 'ecmascript', jsx: true },
        transform: { react: { runtime: 'automatic' } },
      },
    });
    createRoot(document.querySelector('#app')).render(createElement((await load(code)).default));
  },
};
await run[kind]();

const find = async (selector) => {
  while (document.querySelector(selector) === null) await new Promise((go) => setTimeout(go, 5));
  return document.querySelector(selector);
};
const input = await find('input');
input.value = 'Why is the sky blue?';
input.dispatchEvent(new Event('input'));
(await find('button')).click();

let seen = '';
setInterval(async () => {
  const { textContent } = await find('#answer');
  if (textContent !== seen) console.log((seen = textContent));
}, 5);
