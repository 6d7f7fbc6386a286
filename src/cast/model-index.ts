import type { ListedModel } from './upstream.js';

/** How names of models are compared. */
export interface Naming {
  /** The names under which a listed model is found. */
  listed(name: string): readonly string[];
  /** The names under which an asked model may be listed, the surest first. */
  asked(name: string): readonly string[];
}

/** Most models of one list that are kept. */
const MAX_MODELS = 10_000;

/** Finds a model in an upstream's list, by its name, an alias, another spelling or a wildcard. */
export class ModelIndex {
  /** `isOwn`: the key is the model's name as the server writes it. */
  private readonly byName = new Map<string, { model: ListedModel; isOwn: boolean }>();
  private readonly wildcards: { pieces: readonly string[]; model: ListedModel }[] = [];

  constructor(
    readonly models: readonly ListedModel[],
    private readonly naming: Naming,
  ) {
    for (const model of models.slice(0, MAX_MODELS)) {
      for (const name of [model.name, ...model.aliases]) {
        for (const [rank, key] of naming.listed(name).entries()) this.add(key, rank, model);
        if (name.includes('*')) this.wildcards.push({ pieces: name.split('*'), model });
      }
    }
  }

  /** @returns the model, and whether it is listed under the very name that is asked */
  find(asked: string): { model: ListedModel; isSure: boolean } | undefined {
    for (const [rank, key] of this.naming.asked(asked).entries()) {
      const found = this.byName.get(key);
      if (found !== undefined) return { model: found.model, isSure: rank === 0 && found.isOwn };
    }
    const match = this.wildcards.find(({ pieces }) => matches(asked, pieces));
    return match && { model: match.model, isSure: false };
  }

  /** A name of its own comes before another spelling of somebody else's. */
  private add(key: string, rank: number, model: ListedModel): void {
    const isOwn = rank === 0;
    if (isOwn || !this.byName.has(key)) this.byName.set(key, { model, isOwn });
  }
}

/** Whether a name fits a wildcard such as LiteLLM's `any/*`, given as the pieces around each `*`. */
function matches(name: string, [first = '', ...rest]: readonly string[]): boolean {
  const last = rest.at(-1) ?? '';
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const piece of rest.slice(0, -1)) {
    const found = name.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return at <= name.length - last.length;
}
