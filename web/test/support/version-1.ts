/** What the page kept in version 1 of its database: one list of turns, the last answer cut off. */
export const CONVERSATION_OF_VERSION_1 = {
  id: '0f0e0d0c0b0a09080706050403020100',
  title: 'Where is north?',
  system: 'You are brief.',
  model: 'llama3.2',
  updatedAt: 1_760_000_000_000,
  turns: [
    {
      id: 'a'.repeat(32),
      question: 'Where is north?',
      answer: {
        id: 'b'.repeat(32),
        askedAt: 1_760_000_000_000,
        model: undefined,
        generationId: 'k3JvX0d1Qm6c7Tq2Zr9s_A',
        state: 'completed',
        text: 'Up.',
        thinking: '',
        reason: 'stop',
        measured: { tokens: 3, tokensPerSecond: 20, firstTokenMs: 40 },
      },
    },
    {
      id: 'c'.repeat(32),
      question: 'And south?',
      answer: {
        id: 'd'.repeat(32),
        askedAt: 1_760_000_001_000,
        model: 'llama3.2',
        generationId: 'k3JvX0d1Qm6c7Tq2Zr9s_B',
        state: 'failed',
        text: 'Do',
        thinking: 'Hm.',
        failure: { code: 'upstream_truncated', message: 'The answer ended.' },
      },
    },
  ],
};
