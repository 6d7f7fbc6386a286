// The tutorial's relay: Nest, HttpService, an Observable of one object a line, one emit a chunk.
import { HttpModule, HttpService } from '@nestjs/axios';
import { Body, Controller, Inject, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { createServer } from 'node:http';
import { Observable } from 'rxjs';
import { Server } from 'socket.io';
import { IoAdapter } from '@nestjs/platform-socket.io';

class Events {
  clients;
}
WebSocketServer()(Events.prototype, 'clients');
WebSocketGateway({ namespace: 'events' })(Events);

class Llm {
  constructor(http, events) {
    this.http = http;
    this.events = events;
  }

  stream(prompt) {
    return new Observable((out) => {
      this.http
        .post(
          `${process.env.UPSTREAM}/api/generate`,
          { model: 'bench', prompt, stream: true },
          { responseType: 'stream' },
        )
        .subscribe({
          next: ({ data }) => {
            let rest = '';
            data.on('data', (chunk) => {
              const lines = (rest + chunk.toString()).split('\n');
              rest = lines.pop();
              for (const line of lines) if (line.trim() !== '') out.next(JSON.parse(line));
            });
            data.on('end', () => out.complete());
            data.on('error', (error) => out.error(error));
          },
          error: (error) => out.error(error),
        });
    });
  }

  generate({ clientId, prompt }) {
    const socket = this.events.clients.sockets.get(clientId);
    this.stream(prompt).subscribe({
      next: (chunk) => socket.emit('streamData', chunk),
      error: () => socket.emit('streamData', { error: 'Streaming error' }),
      complete: () => socket.emit('streamData', { message: 'Streaming completed' }),
    });
    return { status: 'Streaming started' };
  }
}
Inject(HttpService)(Llm, undefined, 0);
Inject(Events)(Llm, undefined, 1);
Controller('llm')(Llm);
Body()(Llm.prototype, 'generate', 0);
Post('generate')(
  Llm.prototype,
  'generate',
  Object.getOwnPropertyDescriptor(Llm.prototype, 'generate'),
);

function App() {}
Module({ imports: [HttpModule], controllers: [Llm], providers: [Events] })(App);

const sockets = createServer();
/** Only so that the port is a free one. */
class Adapter extends IoAdapter {
  createIOServer() {
    return new Server(sockets);
  }
}

const app = await NestFactory.create(App, { logger: ['error'] });
app.useWebSocketAdapter(new Adapter(app));
await app.listen(0, '127.0.0.1');
await new Promise((resolve) => sockets.listen(0, '127.0.0.1', resolve));
console.log(
  `REST on http://127.0.0.1:${app.getHttpServer().address().port}, ` +
    `Socket.IO on http://127.0.0.1:${sockets.address().port}/events`,
);
