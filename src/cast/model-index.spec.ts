import { ModelIndex } from './model-index.js';
import { ollamaNames } from './ollama/names.js';
import { openAiNames } from './openai/names.js';
import type { ListedModel } from './upstream.js';

const model = (name: string, ...aliases: string[]): ListedModel => ({
  name,
  aliases,
  size: null,
  contextLength: null,
  maxContextLength: null,
  capabilities: [],
  loaded: true,
});
const BOTH = { Ollama: ollamaNames, OpenAI: openAiNames };

describe('ModelIndex', () => {
  it.each<[keyof typeof BOTH, ListedModel[], string, 'sure' | 'maybe' | 'no']>([
    ['Ollama', [model('llama3.2:latest')], 'llama3.2', 'sure'],
    ['Ollama', [model('llama3.2:latest')], 'LLAMA3.2:Latest', 'sure'],
    ['Ollama', [model('llama3.2:latest')], 'library/llama3.2', 'sure'],
    ['Ollama', [model('llama3.2:1b')], 'registry.ollama.ai/library/llama3.2:1b', 'sure'],
    ['Ollama', [model('x:latest')], 'https://registry.ollama.ai/library/x', 'sure'],
    ['Ollama', [model('registry.ollama.ai/library/x:latest')], 'x', 'sure'],
    ['Ollama', [model('someone/x:latest')], 'registry.ollama.ai/someone/x', 'sure'],
    ['Ollama', [model('someone/x:latest')], 'x', 'no'],
    ['Ollama', [model('library/someone/x:latest')], 'someone/x', 'no'],
    ['Ollama', [model('llama3.2:latest')], 'llama3.2:1b', 'no'],
    ['Ollama', [model('hf.co/a/b:Q4')], 'hf.co/a/b:q4', 'sure'],
    ['OpenAI', [model('first', 'first', 'second')], 'second', 'sure'],
    ['OpenAI', [model('smollm2:latest')], 'smollm2', 'maybe'],
    ['OpenAI', [model('smollm2')], 'smollm2:latest', 'maybe'],
    ['OpenAI', [model('vendor/m')], 'vendor/m:nitro', 'maybe'],
    ['OpenAI', [model('vendor/m')], 'Vendor/M:free', 'maybe'],
    ['OpenAI', [model('vendor/m'), model('vendor/m:free')], 'vendor/m:free', 'sure'],
    ['OpenAI', [model('Qwen 3 8B (Q4_K_M)')], 'Qwen 3 8B (Q4_K_M)', 'sure'],
    ['OpenAI', [model('any/*')], 'any/smollm2', 'maybe'],
    ['OpenAI', [model('*')], 'what/ever', 'maybe'],
    ['OpenAI', [model('a.b/*-mini')], 'a.b/x-mini', 'maybe'],
    ['OpenAI', [model('a.b/*-mini')], 'acb/x-mini', 'no'],
    ['OpenAI', [model('any/*')], 'other/x', 'no'],
    ['OpenAI', [model('m')], 'n', 'no'],
    ['OpenAI', [], 'm', 'no'],
  ])('at %s with %j finds %s: %s', (kind, models, asked, expected) => {
    const found = new ModelIndex(models, BOTH[kind]).find(asked);
    expect(found === undefined ? 'no' : found.isSure ? 'sure' : 'maybe').toBe(expected);
  });

  it('finds the model of that name before another one in another spelling', () => {
    const models = [model('Llama'), model('llama'), model('llama:latest')];
    const index = new ModelIndex(models, openAiNames);
    for (const { name } of models) expect(index.find(name)?.model.name).toBe(name);
  });

  it('is quick with a wildcard that could match in many ways', () => {
    const index = new ModelIndex([model('*a*a*a*b')], openAiNames);
    const begun = process.cpuUsage();
    expect(index.find('a'.repeat(256))).toBeUndefined();
    expect(process.cpuUsage(begun).user).toBeLessThan(500_000);
  });
});
