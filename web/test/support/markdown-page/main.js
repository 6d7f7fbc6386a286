import { createApp, h, nextTick, reactive } from 'vue';
import MarkdownText from '../../../src/markdown/MarkdownText.vue';

window.violations = [];
document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  window.violations.push(`${violatedDirective} ${blockedURI}`),
);

let app;

/** A new, empty answer in the place of the one before. */
window.startAnswer = () => {
  app?.unmount();
  document.querySelector('section')?.remove();
  const section = document.createElement('section');
  document.querySelector('main').append(section);
  const props = reactive({ text: '', finished: false });
  app = createApp({ render: () => h(MarkdownText, props) });
  app.mount(section);
  const content = section.querySelector('.markdown > div');
  return {
    content,
    /** Draws the next piece. */
    async write(piece) {
      props.text += piece;
      await nextTick();
    },
    /** Resolves when the answer looks as it will stay. */
    async finish() {
      const finished = new Promise((resolve) => {
        new MutationObserver(() => {
          if (content.getAttribute('aria-busy') === 'false') resolve();
        }).observe(content, { attributeFilter: ['aria-busy'] });
      });
      props.finished = true;
      await finished;
    },
    /** What Retry does: another text in the same place. */
    async replace(text, finished = false) {
      Object.assign(props, { text, finished });
      await nextTick();
    },
  };
};
