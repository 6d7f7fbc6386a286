import { Injectable } from '@nestjs/common';
import { CastService } from '../cast/cast.service.js';
import { Config } from '../config/config.js';

/** Most names that are told apart: what upstreams list may change all day. */
const MAX_NAMES = 200;
const OTHER = 'other';

/**
 * The names of models that may be written into metrics and traces: those that upstreams list, and the
 * operator's own. Callers may ask for any name, and may put anything into it.
 */
@Injectable()
export class KnownModels {
  private readonly names = new Map<string, string>();

  constructor(
    private readonly cast: CastService,
    config: Config,
  ) {
    for (const name of [config.OLLAMA_MODEL, config.OPENAI_MODEL, ...config.ALLOWED_MODELS]) {
      if (name !== undefined) this.add(name, name);
    }
    cast.onChange(() => this.learn());
    this.learn();
  }

  /** The listed name of a model; `other` for one that nobody lists. */
  nameOf(model: string): string {
    return this.names.get(model) ?? this.names.get(`${model}:latest`) ?? OTHER;
  }

  private learn(): void {
    for (const { models = [] } of this.cast.upstreams) {
      for (const { name, aliases } of models)
        for (const one of [name, ...aliases]) this.add(one, name);
    }
  }

  private add(name: string, listed: string): void {
    if (this.names.size < MAX_NAMES) this.names.set(name, listed);
  }
}
