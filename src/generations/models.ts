import { Injectable } from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { Audit } from '../access/audit.js';
import type { Caller } from '../access/caller.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import type { ModelList, Version } from '../protocol/answers.js';
import { isAllowed } from './asked.js';

/** The models that callers may name, and the version of what serves them. */
@Injectable()
export class Models {
  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
    private readonly audit: Audit,
  ) {}

  /**
   * Those of all upstreams.
   * @throws CastError `forbidden`; the first upstream's error where none answers
   */
  async list(caller: Caller): Promise<ModelList> {
    this.audit.authorise(caller, 'list');
    const { models } = await this.cast.models();
    const { ALLOWED_MODELS: allowed } = this.config;
    return {
      models: models.filter(({ name }) => allowed.length === 0 || isAllowed(name, allowed)),
    };
  }

  /** That of the first upstream which answers. @throws CastError like {@link list} */
  version(caller: Caller): Observable<Version> {
    this.audit.authorise(caller, 'list');
    return this.cast.version().pipe(map((version) => ({ version })));
  }
}
