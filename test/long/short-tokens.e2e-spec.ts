/* Resuming, at a server whose tokens are over in two seconds. */
process.env['SHORT_TOKENS'] = 'true';
await import('../resume.e2e-spec.js');
