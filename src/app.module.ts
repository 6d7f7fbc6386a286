import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { CastModule } from './cast/cast.module.js';
import { Config } from './config/config.js';
import { GenerationsModule } from './generations/generations.module.js';
import { AdminController } from './http/admin.controller.js';
import { HealthController } from './http/health.controller.js';
import { TokenController } from './http/token.controller.js';
import { LlmModule } from './llm/llm.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { SocketModule } from './socket/socket.module.js';

@Module({
  imports: [AccessModule, CastModule, GenerationsModule, SocketModule, LlmModule, TelemetryModule],
  controllers: [AdminController, HealthController, TokenController],
})
export class AppModule {
  /**
   * @param config given to whoever asks for `Config`
   * @param demo what there is only in the demo
   */
  static with(config: Config, demo?: DynamicModule): DynamicModule {
    return {
      module: AppModule,
      imports: demo === undefined ? [] : [demo],
      global: true,
      providers: [{ provide: Config, useValue: config }],
      exports: [Config],
    };
  }
}
