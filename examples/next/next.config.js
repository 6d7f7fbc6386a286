/** @type {import('next').NextConfig} */
export default {
  env: { NEXT_PUBLIC_LLM_CAST: process.env.LLM_CAST_SOCKET_URL ?? 'http://localhost:4321' },
};
