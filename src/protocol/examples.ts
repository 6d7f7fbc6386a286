/** Values that the examples share. Every exported shape has some, and a test holds them against their schema. */
export const EXAMPLE_ID = 'k3JvX0d1Qm6c7Tq2Zr9s_A';
export const EXAMPLE_TIME = '2026-01-02T03:04:05.678Z';
export const EXAMPLE_CLIENT = 'Xq8Jm2LwT5c0aRf3AAAB';
