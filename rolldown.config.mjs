import { defineConfig } from 'rolldown';

/**
 * The built programs as few files instead of some 1,100: Node would find, read and link each of them
 * at every start, which took more than half of it (docs/performance.md, cold start).
 */
export default defineConfig({
  input: {
    main: 'dist/main.js',
    cli: 'dist/cli.js',
    demo: 'dist/demo.js',
    'fake-ollama/main': 'dist/fake-ollama/main.js',
  },
  platform: 'node',
  // Nest and ws use these where they are installed; here they are not.
  external: /^(@nestjs\/microservices|@fastify\/|class-|bufferutil$|utf-8-validate$)/,
  output: {
    dir: 'dist',
    // Not in a folder: package.ts looks for the package from where it stands.
    chunkFileNames: '[name].[hash].js',
    sourcemap: true,
  },
});
