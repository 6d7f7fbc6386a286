// The least that an app of this shape does between OpenAI's stream in and OpenAI's stream out: a
// controller of Nest, HttpService, and pipe.
import { HttpModule, HttpService } from '@nestjs/axios';
import { Body, Controller, Inject, Module, Post, Res } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

class Completions {
  constructor(http) {
    this.http = http;
  }

  complete(body, response) {
    this.http
      .post(`${process.env.UPSTREAM}/v1/chat/completions`, body, { responseType: 'stream' })
      .subscribe(({ status, headers, data }) => {
        response.writeHead(status, { 'Content-Type': headers['content-type'] });
        data.pipe(response);
      });
  }
}
Inject(HttpService)(Completions, undefined, 0);
Controller('v1/chat')(Completions);
Body()(Completions.prototype, 'complete', 0);
Res()(Completions.prototype, 'complete', 1);
Post('completions')(
  Completions.prototype,
  'complete',
  Object.getOwnPropertyDescriptor(Completions.prototype, 'complete'),
);

function App() {}
Module({ imports: [HttpModule], controllers: [Completions] })(App);

const app = await NestFactory.create(App, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
console.log(`on http://127.0.0.1:${app.getHttpServer().address().port}`);
