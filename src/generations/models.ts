import { Injectable } from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { Audit } from '../access/audit.js';
import type { Caller } from '../access/caller.js';
import { CastService } from '../cast/cast.service.js';
import type { UpstreamModel } from '../cast/upstream.js';
import { Config } from '../config/config.js';
import type { ModelList, Version } from '../protocol/answers.js';
import { CastError } from '../protocol/errors.js';
import { allowedOf, isAllowed, modelsOf } from './asked.js';

/** The models that callers may name, and the version of what serves them. */
@Injectable()
export class Models {
  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
    private readonly audit: Audit,
  ) {}

  /**
   * Those of all upstreams that the caller may name.
   * @throws CastError `forbidden`; the first upstream's error where none answers
   */
  async list(caller: Caller): Promise<ModelList> {
    this.audit.authorise(caller, 'list');
    const { models } = await this.cast.models();
    const lists = [allowedOf(this.config), modelsOf(caller.principal)];
    return {
      models: models.filter(({ name }) =>
        lists.every((list) => list === undefined || isAllowed(name, list)),
      ),
    };
  }

  /**
   * The one that this name means, with all that its upstream tells of it.
   * @throws CastError `model_not_found`, and like {@link list}
   */
  async show(caller: Caller, name: string): Promise<UpstreamModel> {
    const { models } = await this.list(caller);
    const found = models.find((one) => isAllowed(one.name, [name]));
    if (found === undefined) throw new CastError('model_not_found');
    return this.cast.described(found);
  }

  /** That of the first upstream which answers. @throws CastError like {@link list} */
  version(caller: Caller): Observable<Version> {
    this.audit.authorise(caller, 'list');
    return this.cast.version().pipe(map((version) => ({ version })));
  }
}
