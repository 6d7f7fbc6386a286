/* The client on a bad network, with tokens that it has to replace each second. */
process.env['SHORT_TOKENS'] = 'true';
await import('../faults.e2e-spec.js');
