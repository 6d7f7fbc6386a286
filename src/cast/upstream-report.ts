import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { CastError, ErrorCode } from '../protocol/errors.js';
import { CastService } from './cast.service.js';
import type { Upstream } from './upstream.js';

/** Most model names in one line of the log. */
const NAMED_MODELS = 5;

/** Tells the operator at the start, and whenever it changes, whether each upstream answers. */
@Injectable()
export class UpstreamReport implements OnApplicationBootstrap {
  private readonly logger = new Logger('Upstreams');
  /** What was told last of each upstream. */
  private readonly told = new Map<Upstream, ErrorCode | 'it answers'>();

  constructor(
    private readonly cast: CastService,
    private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    // The first question may take a while: the start does not wait for it.
    void this.cast.refresh().then(() => {
      this.tell();
      this.cast.onChange(() => this.tell());
    });
  }

  private tell(): void {
    for (const upstream of this.cast.upstreams) {
      const { lastError } = upstream;
      const news = lastError?.code ?? 'it answers';
      if (this.told.get(upstream) === news) continue;
      this.told.set(upstream, news);
      if (lastError === undefined) this.tellModels(upstream);
      else this.logger.warn(troubleOf(upstream.name, lastError));
    }
  }

  private tellModels({ name, models }: Upstream): void {
    if (models === undefined)
      return this.logger.log(`${name} answers; it does not list its models`);
    const names = models.map((model) => model.name);
    const some = names.slice(0, NAMED_MODELS).join(', ');
    const more = names.length > NAMED_MODELS ? ` and ${names.length - NAMED_MODELS} more` : '';
    this.logger.log(`${name} answers, with ${names.length === 0 ? 'no model' : some + more}`);
    const { OLLAMA_BASE_URL, OLLAMA_MODEL, OPENAI_MODEL } = this.config;
    const wanted = OLLAMA_BASE_URL.length > 0 ? OLLAMA_MODEL : (OPENAI_MODEL ?? OLLAMA_MODEL);
    const isThere = this.cast.upstreams.some(({ models: listed }) =>
      listed?.some((model) => model.name === wanted || model.name === `${wanted}:latest`),
    );
    if (isThere || this.cast.upstreams.some((one) => one.models === undefined)) return;
    const pull = OLLAMA_BASE_URL.length > 0 ? `ollama pull ${wanted}, or ` : '';
    const setting = OLLAMA_BASE_URL.length > 0 ? 'OLLAMA_MODEL' : 'OPENAI_MODEL';
    this.logger.warn(
      `the default model ${wanted} is not there: ${pull}set ${setting} to one that is`,
    );
  }
}

/** What is wrong, and what to do. Node's own code, such as ENOTFOUND, says it best. */
function troubleOf(name: string, { code, cause }: CastError): string {
  const isOllama = name.startsWith('ollama');
  const kind = isOllama ? 'OLLAMA' : 'OPENAI';
  if (code === 'upstream_unauthorized') {
    return `${name} does not accept llm-cast's key: set ${kind}_API_KEY`;
  }
  const { code: why = code } = (cause ?? {}) as NodeJS.ErrnoException;
  const start = isOllama ? 'start it (ollama serve)' : 'start it';
  return `${name} does not answer (${why}): ${start}, or set ${kind}_BASE_URL to where it is`;
}
