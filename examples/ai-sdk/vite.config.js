import { defineConfig } from 'vite';

const { LLM_CAST_URL = 'http://localhost:3000' } = process.env;

export default defineConfig({
  define: { __LLM_CAST__: JSON.stringify(LLM_CAST_URL) },
});
