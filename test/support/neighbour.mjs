// A neighbour of an attacker: asks all the time, in a thread of its own, and says how long it had to wait
// for the server. That is what the server's main thread computed meanwhile: on a machine with nothing else
// to do it is the time itself, and a busy machine adds nothing to it.
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

const { url, pid } = workerData;
/** Its visit at present, or the last one. */
let visit;
// It comes, says what was worst since it was asked last, or goes.
parentPort.on('message', (what) => {
  if (what === 'come') void stay((visit = { worst: 0, isAsked: false, isOver: false }));
  else if (what === 'worst') visit.isAsked = true;
  else visit.isOver = true;
});

/** Milliseconds that the server's main thread has run (proc(5): schedstat, in nanoseconds). */
const computed = () => {
  const [ns] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ');
  return Number(ns) / 1e6;
};

const ask = (agent) =>
  new Promise((resolve, reject) => {
    get(url, { agent }, (response) => response.resume().once('end', resolve)).once('error', reject);
  });

async function stay(own) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while (!own.isOver) {
    const from = computed();
    // One that is refused or cut has waited for ever.
    const failed = await ask(agent).then(
      () => false,
      () => true,
    );
    own.worst = Math.max(own.worst, failed ? Infinity : computed() - from);
    // With an answer to what was under way when it was asked: that one has waited longest.
    if (own.isAsked) {
      parentPort.postMessage(own.worst);
      own.worst = 0;
      own.isAsked = false;
    }
    await sleep(10);
  }
  agent.destroy();
}
