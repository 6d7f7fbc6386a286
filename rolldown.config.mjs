import { defineConfig } from 'rolldown';

/**
 * `dist/main.js` as one file: Node would find, read and link some 1,100 at every start, which took
 * more than half of it (docs/performance.md, cold start). The file stays where it was, because
 * modules look for `web/dist` and `package.json` from their own place.
 */
export default defineConfig({
  input: 'dist/main.js',
  platform: 'node',
  // Nest and ws use these where they are installed; here they are not.
  external: /^(@nestjs\/microservices|@fastify\/|class-|bufferutil$|utf-8-validate$)/,
  output: { file: 'dist/main.js', format: 'esm', sourcemap: true, codeSplitting: false },
});
