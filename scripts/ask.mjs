// The tutorial's client: connects a socket, sends a prompt over REST, prints the tokens as they come.
//   npm run ask -- "what happens when my phone locks?"
import { io } from 'socket.io-client';

const prompt = process.argv.slice(2).join(' ') || 'what happens when my phone locks?';
const rest = process.env.LLM_CAST_URL ?? 'http://localhost:3000';
const sockets = process.env.LLM_CAST_SOCKET_URL ?? 'http://localhost:4321';

// As a pipe does that is closed by its reader: `npm run ask | head -1`.
process.stdout.on('error', () => process.exit(141));

const socket = io(`${sockets}/events`);

socket.on('connect_error', ({ message }) => {
  console.error(`No server at ${sockets} (${message}). Is "npm run demo" or "npm start" running?`);
  process.exit(1);
});

socket.on('connect', async () => {
  const response = await fetch(`${rest}/llm/generate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ clientId: socket.id, prompt }),
  });
  if (response.ok) return;
  console.error(await response.text());
  process.exit(1);
});

socket.on('streamData', (record) => {
  process.stdout.write(record.response ?? '');
  if (!('state' in record)) return;
  const { state, code, detail, timings } = record;
  if (state === 'completed') {
    const { firstTokenMs, totalMs, tokensPerSecond } = timings;
    console.error(
      `\n\n[completed: first token after ${Math.round(firstTokenMs ?? 0)} ms, ` +
        `${Math.round(totalMs)} ms in all, ${tokensPerSecond ?? '?'} tokens/s]`,
    );
  } else console.error(`\n\n[${state}${code === undefined ? '' : `: ${code}: ${detail}`}]`);
  socket.close();
  process.exitCode = state === 'completed' ? 0 : 1;
});
