import { Agent, request } from 'node:http';
import { readLines, WebSocketConnection } from './connections.mjs';

const agent = new Agent({ keepAlive: true, maxSockets: 10_000 });
const SETUP_MS = 30_000;

/** @returns {Promise<{status: number, body: object}>} */
function post(url, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const asked = request(url, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode, body: JSON.parse(text) }));
    });
    asked.on('error', (error) => {
      // The server had just closed this kept connection, unread.
      if (asked.reusedSocket && error.code === 'ECONNRESET') resolve(post(url, body));
      else reject(error);
    });
    asked.end(JSON.stringify(body));
  });
}

/**
 * A Socket.IO client without its comforts: the packets of the protocol over one WebSocket, so that
 * the load generator is not what is measured.
 */
class SocketIoDoor {
  #acks = new Map();
  #asked = 0;
  /** The answers it reads: by generation where the server names one, else the one it asked for. */
  #answers = new Map();
  #unnamed;
  #early = [];
  id;

  constructor([restUrl, socketUrl]) {
    this.restUrl = restUrl;
    this.socketUrl = socketUrl;
  }

  connect() {
    const url = `${this.socketUrl.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no connection in time')), SETUP_MS);
      this.socket = new WebSocketConnection(url, (packet) => {
        if (packet.startsWith('42/events,[')) this.#event(packet.slice(10));
        else if (packet.startsWith('43/events,')) this.#ack(packet.slice(10));
        else if (packet === '2') this.socket.send('3');
        else if (packet.startsWith('0')) this.socket.send('40/events,');
        else if (packet.startsWith('40/events,')) {
          this.id = JSON.parse(packet.slice(10)).sid;
          clearTimeout(timer);
          resolve();
        }
      });
      this.socket.connect().catch(reject);
    });
  }

  /** @returns {Promise<{status: number, body: object}>} when the request is accepted or refused */
  async start(prompt, answer) {
    this.#unnamed = answer;
    const response = await post(`${this.restUrl}/llm/generate`, { clientId: this.id, prompt });
    const { generationId } = response.body;
    if (generationId === undefined) return response;
    answer.generationId = generationId;
    this.adopt(generationId, answer);
    return response;
  }

  /** Reads a generation behind what the answer has; the ack says how far the generation is. */
  join(answer) {
    this.adopt(answer.generationId, answer);
    return this.ask('join', { generationId: answer.generationId, after: answer.last });
  }

  ask(event, payload) {
    const id = this.#asked++;
    this.socket.send(`42/events,${id}${JSON.stringify([event, payload])}`);
    return new Promise((resolve) => this.#acks.set(id, resolve));
  }

  /** Takes no byte any more, until `resume`. */
  pause() {
    this.socket.pause();
  }

  resume() {
    this.socket.resume();
  }

  /** As when a phone loses its network: no goodbye. */
  cut() {
    this.socket.terminate();
  }

  close() {
    this.socket.terminate();
  }

  adopt(generationId, answer) {
    this.#answers.set(generationId, answer);
    const mine = this.#early.filter((record) => record.generationId === generationId);
    this.#early = this.#early.filter((record) => record.generationId !== generationId);
    for (const record of mine) answer.record(record);
  }

  #event(json) {
    const [event, record] = JSON.parse(json);
    if (event !== 'streamData') return;
    const { generationId } = record;
    const answer = this.#answers.get(generationId);
    if (generationId === undefined) this.#unnamed.line(record);
    // Records may come before the 201 that names their generation.
    else if (answer === undefined) this.#early.push(record);
    else answer.record(record);
  }

  #ack(packet) {
    const at = packet.indexOf('[');
    const id = Number(packet.slice(0, at));
    this.#acks.get(id)?.(JSON.parse(packet.slice(at))[0]);
    this.#acks.delete(id);
  }
}

/** Asks for answers that no socket is named for, and joins them with a socket of another node. */
class JoiningDoor extends SocketIoDoor {
  async start(prompt, answer) {
    const asked = { prompt, onDisconnect: 'keep' };
    const response = await post(`${this.restUrl}/llm/generate`, asked);
    const { generationId } = response.body;
    if (generationId === undefined) return response;
    const ack = await this.join(Object.assign(answer, { generationId }));
    return ack.ok ? response : { status: ack.error.statusCode, body: ack.error };
  }
}

/** Asks over the socket that reads. */
class AskingDoor extends SocketIoDoor {
  async start(prompt, answer) {
    const { ok, generationId, error } = await this.ask('generate', { prompt });
    if (!ok) return { status: error.statusCode, body: error };
    answer.generationId = generationId;
    this.adopt(generationId, answer);
    return { status: 201, body: { generationId } };
  }
}

/** Lines over a bare WebSocket. */
class WebSocketDoor {
  constructor([url]) {
    this.url = url.replace('http', 'ws');
  }

  connect() {
    this.socket = new WebSocketConnection(this.url, (line) => this.answer.line(JSON.parse(line)));
    return this.socket.connect();
  }

  async start(prompt, answer) {
    this.answer = answer;
    this.socket.send(prompt);
    return { status: 201, body: {} };
  }

  close() {
    this.socket.terminate();
  }
}

/** Lines in the body of one HTTP response. */
class HttpDoor {
  constructor([url]) {
    this.url = url;
  }

  async connect() {}

  async start(prompt, answer) {
    const body = JSON.stringify({ model: 'bench', prompt, stream: true });
    readLines(`${this.url}/api/generate`, body, {
      onLine: (line) => answer.line(JSON.parse(line)),
      onError: (error) => answer.tally.fault(error.message),
    });
    return { status: 201, body: {} };
  }

  close() {}
}

/** A streamed chat completion of OpenAI's API. */
class OpenAiDoor {
  constructor([url]) {
    this.url = url;
  }

  async connect() {}

  async start(prompt, answer) {
    const messages = [{ role: 'user', content: prompt }];
    const body = JSON.stringify({ model: 'bench', messages, stream: true });
    readLines(`${this.url}/v1/chat/completions`, body, {
      onLine: (line) => {
        if (!line.startsWith('data: ')) return;
        const { done = false, choices = [], error } = this.read(line.slice(6));
        const response = choices[0]?.delta.content ?? undefined;
        answer.line({ response, done, error: error?.message });
      },
      onError: (error) => answer.tally.fault(error.message),
    });
    return { status: 201, body: {} };
  }

  read(data) {
    return data === '[DONE]' ? { done: true } : JSON.parse(data);
  }

  close() {}
}

export const DOORS = {
  'socket.io': SocketIoDoor,
  asking: AskingDoor,
  joining: JoiningDoor,
  ws: WebSocketDoor,
  http: HttpDoor,
  openai: OpenAiDoor,
};
