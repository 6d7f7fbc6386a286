import { Injectable } from '@nestjs/common';
import { authorise } from '../access/authorise.js';
import type { Caller } from '../access/caller.js';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';
import type { ModelList } from '../protocol/answers.js';
import { isAllowed } from './asked.js';

/** The models that callers may name. */
@Injectable()
export class Models {
  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
  ) {}

  /**
   * Those of all upstreams.
   * @throws CastError `forbidden`; the first upstream's error where none answers
   */
  async list({ principal }: Caller): Promise<ModelList> {
    authorise(principal, 'list');
    const { models } = await this.cast.models();
    const { ALLOWED_MODELS: allowed } = this.config;
    return {
      models: models.filter(({ name }) => allowed.length === 0 || isAllowed(name, allowed)),
    };
  }
}
