// A neighbour of an attacker: asks all the time, in a thread of its own, and says how long it waited.
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let worst = 0;
parentPort.on('message', () => {
  parentPort.postMessage(worst);
  worst = 0;
});

const ask = () =>
  new Promise((resolve, reject) => {
    get(workerData, { agent }, (response) => response.resume().once('end', resolve)).once(
      'error',
      reject,
    );
  });

for (;;) {
  const from = performance.now();
  // One that is refused or cut has waited for ever.
  const failed = await ask().then(
    () => false,
    () => true,
  );
  worst = Math.max(worst, failed ? Infinity : performance.now() - from);
  await sleep(10);
}
