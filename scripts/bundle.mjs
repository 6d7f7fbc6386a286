// Puts the packages into the built programs, as few files instead of some 1,100: Node would find, read
// and link each of them at every start, which took more than half of it (docs/performance.md, cold start).
import { resolve } from 'node:path';
import { build } from 'rolldown';

// What no program of ours runs and each start would load: Nest's uploads, and the adapters of axios, as
// all requests go by src/cast/http/adapter.ts.
const LEFT_OUT = /\/node_modules\/(multer\/index|axios\/lib\/adapters\/(http|fetch))\.js$/;

const onLog = (_level, { message }) => {
  // Most of all an import that leads nowhere: it would fail at the start of the program.
  throw new Error(message);
};

await build({
  input: {
    main: 'dist/main.js',
    cli: 'dist/cli.js',
    demo: 'dist/demo.js',
    'fake-ollama/main': 'dist/fake-ollama/main.js',
  },
  platform: 'node',
  // Nest and ws use these where they are installed; here they are not.
  external:
    /^(reflect-metadata$|@nestjs\/microservices|@fastify\/|class-|bufferutil$|utf-8-validate$)/,
  // One table of media types for all, in place of five.
  resolve: { alias: { 'mime-types': resolve('node_modules/mime-types') } },
  plugins: [
    {
      name: 'leave-out',
      load: {
        filter: { id: LEFT_OUT },
        handler: () => 'export default null; export const getFetch = undefined;',
      },
    },
  ],
  onLog,
  output: {
    dir: 'dist',
    // Not in a folder: package.ts looks for the package from where it stands.
    chunkFileNames: '[name].[hash].js',
    sourcemap: true,
    // Nest needs it before all others, and chunks change the order in which modules run. With
    // strictExecutionOrder they would not, but each module would be a function that is called later: its
    // classes are no constants then, which costs a token and a start 1 % and more.
    banner: ({ isEntry }) => (isEntry ? "import 'reflect-metadata';" : ''),
  },
});

// `/client.js`, for pages without a package registry.
await build({
  input: 'client/dist/browser.js',
  platform: 'browser',
  onLog,
  output: { file: 'dist/browser/client.js', minify: true },
});
