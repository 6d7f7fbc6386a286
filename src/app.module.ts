import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { CastModule } from './cast/cast.module.js';
import { Config } from './config/config.js';
import { DoorsModule } from './doors/doors.module.js';
import { GenerationsModule } from './generations/generations.module.js';
import { AdminController } from './http/admin.controller.js';
import { MemoryModule } from './generations/memory.module.js';
import { Administration } from './http/administration.js';
import { ClusterController } from './http/cluster.controller.js';
import { HealthController } from './http/health.controller.js';
import { TokenController } from './http/token.controller.js';
import { LlmModule } from './llm/llm.module.js';
import { TelemetryModule } from './telemetry/telemetry.module.js';
import { SocketModule } from './socket/socket.module.js';

@Module({
  imports: [
    AccessModule,
    CastModule,
    GenerationsModule,
    SocketModule,
    LlmModule,
    DoorsModule,
    TelemetryModule,
  ],
  providers: [Administration],
  controllers: [AdminController, ClusterController, HealthController, TokenController],
})
export class AppModule {
  /**
   * @param config given to whoever asks for `Config`
   * @param demo what there is only in the demo
   * @param nodes where generations are kept: the memory of this node, or what all nodes share
   */
  static with(
    config: Config,
    demo: DynamicModule | undefined,
    nodes: Type | DynamicModule = MemoryModule,
  ): DynamicModule {
    return {
      module: AppModule,
      imports: demo === undefined ? [nodes] : [nodes, demo],
      global: true,
      providers: [{ provide: Config, useValue: config }],
      exports: [Config],
    };
  }
}
