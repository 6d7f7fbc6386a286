// What `nest new` gives: one module, one controller, one service. For the time of a cold start.
import { Controller, Get, Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

class AppService {
  getHello() {
    return 'Hello World!';
  }
}
Injectable()(AppService);

class AppController {
  constructor(service) {
    this.service = service;
  }

  getHello() {
    return this.service.getHello();
  }
}
Inject(AppService)(AppController, undefined, 0);
Controller()(AppController);
Get()(
  AppController.prototype,
  'getHello',
  Object.getOwnPropertyDescriptor(AppController.prototype, 'getHello'),
);

function AppModule() {}
Module({ controllers: [AppController], providers: [AppService] })(AppModule);

const app = await NestFactory.create(AppModule);
await app.listen(0, '127.0.0.1');
console.log(`on http://127.0.0.1:${app.getHttpServer().address().port}`);
