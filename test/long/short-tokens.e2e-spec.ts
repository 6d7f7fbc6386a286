/* Resuming, and the faults of a network, at a server whose tokens are over in two seconds. */
process.env['SHORT_TOKENS'] = 'true';
await import('../resume.e2e-spec.js');
await import('./faults.e2e-spec.js');
