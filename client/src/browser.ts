// What `/client.js` of a server is: all that needs no framework, for pages without a package registry.
export * from './conversation.js';
export * from './index.js';
