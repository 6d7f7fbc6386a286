// Loaded into a server under test: says how much memory it holds, garbage left out. What is freed by a
// collection may free more a turn later (a closed connection, then its buffers): ask until it is at rest.
const { setImmediate: turn } = require('node:timers/promises');

process.on('message', async () => {
  globalThis.gc();
  await turn();
  const { heapUsed, external } = process.memoryUsage();
  process.send(heapUsed + external);
});
process.channel.unref();
