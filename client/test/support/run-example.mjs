// Runs one example of the README as its reader would: in a page, with a question typed and sent.
//   node run-example.mjs html|vue|tsx SOCKET_URL < example
// Prints the answer each time that it changes.
import { text } from 'node:stream/consumers';
import { JSDOM } from 'jsdom';

const [kind, socketUrl] = process.argv.slice(2);
const example = (await text(process.stdin)).replaceAll('http://localhost:4321', socketUrl);
const [, script] = /<script type="module">(.*)<\/script>/s.exec(example) ?? [];
const html = kind === 'html' ? example.replace(script, '') : '<div id="app"></div>';

const { window } = new JSDOM(html, { url: 'http://localhost/', pretendToBeVisual: true });
const names = ['window', 'document', 'navigator', 'Event', 'FormData'];
names.push('sessionStorage', 'localStorage');
names.push('Node', 'Element', 'HTMLElement', 'SVGElement', 'MathMLElement');
names.push('addEventListener', 'removeEventListener');
// Some of them Node.js has itself, not all of these may be assigned.
for (const name of names) Object.defineProperty(globalThis, name, { value: window[name] });

/** The code as a module; Node.js finds packages from here, not from a `data:` address. */
function load(code) {
  const module = code
    .replaceAll(`${socketUrl}/client.js`, 'llm-cast-client')
    .replace(
      /(from\s*)['"]([^'"]+)['"]/g,
      (_all, from, name) => `${from}'${import.meta.resolve(name)}'`,
    );
  return import(`data:text/javascript,${encodeURIComponent(module)}`);
}

async function withoutTypes(code) {
  const { transform } = await import('@swc/core');
  const parser = { syntax: 'typescript', tsx: kind === 'tsx' };
  const jsc = { target: 'es2022', parser, transform: { react: { runtime: 'automatic' } } };
  return (await transform(code, { swcrc: false, jsc })).code;
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
    createApp((await load(await withoutTypes(content))).default).mount('#app');
  },
  tsx: async () => {
    const { createElement } = await import('react');
    const { createRoot } = await import('react-dom/client');
    const code = await withoutTypes(example);
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
  const textContent = document.querySelector('#answer, #assistant')?.textContent ?? '';
  if (textContent !== seen) console.log((seen = textContent));
}, 5);
