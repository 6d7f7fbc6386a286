import { Body, Controller, type DynamicModule, HttpCode, Module, Post } from '@nestjs/common';
import { Route } from '../http/open-api.js';
import { FaultProxy } from './fault-proxy.js';
import {
  type FaultRequest,
  faultRequest,
  type FaultStarted,
  faultStarted,
} from './fault-request.js';
import { Faults } from './faults.js';

@Controller('demo')
export class DemoController {
  constructor(private readonly faults: Faults) {}

  @Post('faults')
  @HttpCode(200)
  @Route({
    summary: 'Break the connection of a client on purpose',
    description: 'Only in the demo.',
    answers: { 200: faultStarted },
    refuses: ['client_not_found'],
  })
  inflictFault(@Body({ schema: faultRequest }) request: FaultRequest): FaultStarted {
    return { ms: this.faults.inflict(request) };
  }
}

/** What there is only in the demo. */
@Module({ controllers: [DemoController], providers: [Faults] })
export class DemoModule {
  /** @param proxy stands in front of Socket.IO */
  static with(proxy: FaultProxy): DynamicModule {
    return { module: DemoModule, providers: [{ provide: FaultProxy, useValue: proxy }] };
  }
}
