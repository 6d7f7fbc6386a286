import { createHash } from 'node:crypto';
import { GUIDE } from './guide.js';
import { until } from './pace.js';

const CONTEXT_LENGTH = 32_768;

/**
 * What a model says.
 * @param asked the prompt, or what the user has said in the conversation, oldest first
 * @returns the whole answer, in Markdown
 */
export type Answer = (asked: readonly string[]) => string;

/** A model of the demo upstream. */
export interface Model {
  /** Full name, with its tag. */
  name: string;
  /** Its size in bytes, as it is listed. */
  size: number;
  answer: Answer;
}

/** A model in memory. */
interface Resident {
  /** When its load is over, on the clock of `performance.now()`. */
  readyAt: number;
  users: number;
  /** The latest request's wish. */
  keepAliveMs: number;
  /** When it is unloaded if nobody uses it, in ms since 1970. */
  expiresAt: number;
}

/** A model's full name; `latest` is the default tag. */
export const withTag = (name: string) => (/:[^/]*$/.test(name) ? name : `${name}:latest`);

const DETAILS = {
  parent_model: '',
  format: 'demo',
  family: 'demo',
  families: ['demo'],
  parameter_size: '0',
  quantization_level: 'none',
};

/** The models on the shelf, and those of them that are loaded. */
export class Models {
  readonly #shelf = new Map<string, Model>();
  readonly #residents = new Map<Model, Resident>();
  readonly #modifiedAt = new Date().toISOString();
  readonly #loadMs: number;
  readonly #answer: Answer;

  /**
   * @param names further models that behave like `demo`
   * @param loadMs how long a load takes, in ms
   * @param answer what `demo` says; unless given, it recites a guide
   */
  constructor(names: readonly string[], loadMs: number, answer: Answer = () => GUIDE) {
    this.#loadMs = loadMs;
    this.#answer = answer;
    for (const name of ['demo', ...names]) this.add(name, Buffer.byteLength(GUIDE));
    this.#put({ name: 'echo:latest', size: 0, answer: (asked) => asked.at(-1) ?? '' });
  }

  /** Puts one more model on the shelf that behaves like `demo`. @param size in bytes */
  add(name: string, size: number): void {
    this.#put({ name: withTag(name), size, answer: this.#answer });
  }

  #put(model: Model): void {
    this.#shelf.set(model.name.toLowerCase(), model);
  }

  /** Finds a model as Ollama does: in any case of letters, with `latest` as the default tag. */
  find(name: string): Model | undefined {
    return this.#shelf.get(withTag(name).toLowerCase());
  }

  /** Works with a loaded model, loading it first. Rejects at once when `gone` aborts during the load. */
  async use(
    model: Model,
    keepAliveMs: number,
    gone: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    const resident = this.#loaded(model) ?? this.#load(model);
    resident.users++;
    resident.keepAliveMs = keepAliveMs;
    try {
      await until(resident.readyAt, gone);
      await work();
    } finally {
      resident.users--;
      // As with a real Ollama, a load that nobody waits for any more comes to nothing.
      const ready = resident.readyAt <= performance.now();
      resident.expiresAt = ready ? Date.now() + resident.keepAliveMs : 0;
    }
  }

  /** Unloads a model as soon as the requests that use it are over. */
  unload(model: Model): void {
    const resident = this.#residents.get(model);
    if (resident) Object.assign(resident, { keepAliveMs: 0, expiresAt: 0 });
  }

  /** Body of `/api/tags`. */
  list(): object {
    const models = [...this.#shelf.values()].map((model) => ({
      ...this.#card(model),
      modified_at: this.#modifiedAt,
      details: { ...DETAILS, context_length: CONTEXT_LENGTH },
      capabilities: ['completion'],
    }));
    return { models };
  }

  /** Body of `/api/ps`: the loaded models, the one that stays longest first. */
  listLoaded(): object {
    const models = [...this.#shelf.values()]
      .map((model) => ({ model, resident: this.#loaded(model) }))
      .flatMap(({ model, resident }) => (resident ? [{ model, at: expiry(resident) }] : []))
      .sort((one, other) => other.at - one.at)
      .map(({ model, at }) => ({
        ...this.#card(model),
        details: DETAILS,
        expires_at: new Date(at).toISOString(),
        size_vram: 0,
        context_length: CONTEXT_LENGTH,
      }));
    return { models };
  }

  /** Body of `/api/show`. */
  show(model: Model): object {
    return {
      modelfile: `# ${model.name} is a demo model of llm-cast, not a language model\n`,
      template: '{{ .Prompt }}',
      details: DETAILS,
      model_info: { 'general.architecture': 'demo', 'demo.context_length': CONTEXT_LENGTH },
      capabilities: ['completion'],
      modified_at: this.#modifiedAt,
    };
  }

  #card({ name, size }: Model): object {
    const digest = createHash('sha256').update(name).digest('hex');
    return { name, model: name, size, digest };
  }

  #loaded(model: Model): Resident | undefined {
    const resident = this.#residents.get(model);
    return resident && (resident.users > 0 || resident.expiresAt > Date.now())
      ? resident
      : undefined;
  }

  #load(model: Model): Resident {
    const readyAt = performance.now() + this.#loadMs;
    const resident = { readyAt, users: 0, keepAliveMs: 0, expiresAt: 0 };
    this.#residents.set(model, resident);
    return resident;
  }
}

const expiry = ({ users, keepAliveMs, expiresAt }: Resident) =>
  users > 0 ? Date.now() + keepAliveMs : expiresAt;
