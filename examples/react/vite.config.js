import { defineConfig } from 'vite';

const { LLM_CAST_SOCKET_URL = 'http://localhost:4321' } = process.env;

export default defineConfig({
  define: { __LLM_CAST__: JSON.stringify(LLM_CAST_SOCKET_URL) },
});
