import { DocsIndex } from './docs-index.js';
import { documents } from './documents.js';

const index = new DocsIndex(documents());

/** What people ask, and where the answer is: the document, and the last heading. */
const QUESTIONS: [question: string, file: string, heading: string][] = [
  [
    'What happens when my phone locks in the middle of an answer?',
    'docs/protocol.md',
    'Lost connections',
  ],
  ['How do I stop an answer?', 'docs/protocol.md', 'Cancel'],
  ['how to cancel a generation', 'docs/protocol.md', 'Cancel'],
  ['How do I use it with Vue?', 'client/README.md', 'Vue'],
  ['is there a react hook', 'client/README.md', 'React'],
  ['How do I install the client package?', 'client/README.md', 'llm-cast-client'],
  ['How do I start?', 'README.md', 'Two commands'],
  ['run it without a GPU', 'README.md', 'Two commands'],
  ['How do I connect it to my own Ollama?', 'README.md', 'With Ollama'],
  ['Can I use OpenAI or vLLM instead of Ollama?', 'README.md', 'With Ollama'],
  ['What does ABANDON_AFTER_MS do?', 'README.md', 'Settings'],
  ['Which environment variables are there?', 'docs/settings.md', 'Settings'],
  ['What is the default port?', 'README.md', 'Settings'],
  ['What does the error code queue_full mean?', 'docs/protocol.md', 'Error codes'],
  ['list of error codes', 'docs/protocol.md', 'Error codes'],
  ['How do I run it behind nginx?', 'docs/operations.md', 'nginx'],
  ['Is there a Docker image?', 'docs/operations.md', 'Docker'],
  ['docker compose', 'docs/operations.md', 'Docker'],
  ['How do I run it as a systemd service?', 'docs/operations.md', 'systemd'],
  ['How much memory does it need?', 'docs/operations.md', 'Sizing'],
  ['What is in the logs? Are prompts logged?', 'docs/operations.md', 'Logs'],
  ['What does the doctor check?', 'docs/doctor.md', 'The connection doctor'],
  ['Is there a health endpoint?', 'docs/operations.md', 'Health'],
  ['How do I shut the server down without losing answers?', 'docs/operations.md', 'Stopping'],
  ['Everything arrives at once at the end, why?', 'docs/operations.md', 'When something is wrong'],
  ['What is a generation?', 'docs/protocol.md', 'The idea'],
  ['How does a client apply records?', 'docs/protocol.md', 'How a client applies records'],
  ['What happens with a slow reader?', 'docs/protocol.md', 'Slow readers'],
  ['Can I use server-sent events instead of sockets?', 'docs/protocol.md', 'Server-Sent Events'],
  ['How do I send a request twice safely?', 'docs/protocol.md', 'Idempotency'],
  ['idempotency key', 'docs/protocol.md', 'Idempotency'],
  ['What events are there?', 'README.md', 'The events in brief'],
  ['What REST routes are there?', 'docs/protocol.md', 'REST'],
  ['How do users and several tabs work?', 'docs/protocol.md', 'Users'],
  ['What is the position in the queue?', 'docs/protocol.md', 'States'],
  ['How large may a request be?', 'docs/protocol.md', 'Limits'],
  ['How fast is it?', 'docs/performance.md', 'What one machine carries'],
  ['how do you benchmark', 'docs/performance.md', 'How it is measured'],
  // The test of the break-it panel asks it, and needs its long answer.
  ['How is its speed measured?', 'docs/performance.md', 'How it is measured'],
  ['How many users can one machine serve?', 'docs/performance.md', 'What one machine carries'],
  ['What is different from the tutorial?', 'README.md', 'Differences from the tutorial'],
  [
    'Why is a generation a log?',
    'docs/decisions/2026-11-22-a-generation-is-a-log-a-socket.md',
    'A generation is a log, a socket is a view',
  ],
  ['why not Open WebUI?', 'README.md', 'Why, and when not'],
  ['Why not the AI SDK?', 'README.md', 'Why, and when not'],
  ['How does it compare to LiteLLM?', 'README.md', 'Why, and when not'],
  ['does it run on Kubernetes?', 'docs/operations.md', 'Kubernetes'],
  ['How do I deploy it to k8s?', 'docs/operations.md', 'Kubernetes'],
  ['Can I send an image?', 'client/README.md', 'Images'],
  ['can it do images', 'client/README.md', 'Images'],
  ['command line chat', 'README.md', 'On the command line'],
  ['Is there a checksum of the text?', 'docs/protocol.md', 'Records'],
];

describe('the index of the documents', () => {
  it.each(QUESTIONS)('%s → %s, %s', (question, file, heading) => {
    const [best] = index.find(question);
    expect([best?.section.file, best?.section.path.at(-1)]).toEqual([file, heading]);
  });

  it.each([
    ['streams', 'STREAMING'],
    ['queue_full', 'what is `queue_full`?'],
    ['idempotency', 'idempotancy'],
  ])('finds the same for %j and %j', (one, other) => {
    expect(index.find(other)[0]?.section).toBe(index.find(one)[0]?.section);
  });

  it.each(['', 'the', '42', 'quantum physics', '👩‍👩‍👧 ?'])('finds nothing for %j', (question) => {
    expect(index.find(question)).toEqual([]);
  });
});
