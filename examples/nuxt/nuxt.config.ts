export default defineNuxtConfig({
  compatibilityDate: '2026-01-01',
  telemetry: false,
  runtimeConfig: {
    public: { llmCast: process.env.LLM_CAST_SOCKET_URL ?? 'http://localhost:4321' },
  },
});
