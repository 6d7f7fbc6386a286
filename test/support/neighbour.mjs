// A neighbour of an attacker: asks all the time, in a thread of its own, and says how long it had to wait
// for the server. That is what the server's main thread computed meanwhile: on a machine with nothing else
// to do it is the time itself, and a busy machine adds nothing to it.
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

const { url, pid } = workerData;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let worst = 0;
let isAsked = false;
parentPort.on('message', () => (isAsked = true));

/** Milliseconds that the server's main thread has run (proc(5): schedstat, in nanoseconds). */
const computed = () => {
  const [ns] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ');
  return Number(ns) / 1e6;
};

const ask = () =>
  new Promise((resolve, reject) => {
    get(url, { agent }, (response) => response.resume().once('end', resolve)).once('error', reject);
  });

for (;;) {
  const from = computed();
  // One that is refused or cut has waited for ever.
  const failed = await ask().then(
    () => false,
    () => true,
  );
  worst = Math.max(worst, failed ? Infinity : computed() - from);
  // With an answer to what was under way when it was asked: that one has waited longest.
  if (isAsked) {
    parentPort.postMessage(worst);
    worst = 0;
    isAsked = false;
  }
  await sleep(10);
}
