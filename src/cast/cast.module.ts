import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { CastService } from './cast.service.js';
import { UpstreamReport } from './upstream-report.js';
import { upstreamAdapter } from './http/adapter.js';

@Module({
  imports: [
    HttpModule.register({
      adapter: upstreamAdapter,
      // Bodies go out as they are to be sent and come in as bytes: axios has nothing to transform.
      transformRequest: [],
      transformResponse: [],
    }),
  ],
  providers: [CastService, UpstreamReport],
  exports: [CastService],
})
export class CastModule {}
