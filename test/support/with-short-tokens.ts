/* Imported before a suite: see short-tokens.ts. */
process.env['SHORT_TOKENS'] = 'true';
