import { HttpModule, HttpService } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { CastService } from './cast.service.js';
import { UpstreamReport } from './upstream-report.js';
import { upstreamAdapter } from './http/adapter.js';

@Module({
  imports: [HttpModule],
  providers: [CastService, UpstreamReport],
  exports: [CastService],
})
export class CastModule {
  constructor({ axiosRef: { defaults } }: HttpService) {
    // axios merges each of its defaults into each request; most of them are a browser's.
    for (const name of Object.keys(defaults)) Reflect.deleteProperty(defaults, name);
    // Bodies go out as they are to be sent and come in as bytes: axios has nothing to transform.
    Object.assign(defaults, {
      adapter: upstreamAdapter,
      transformRequest: [],
      transformResponse: [],
      headers: {},
    });
  }
}
