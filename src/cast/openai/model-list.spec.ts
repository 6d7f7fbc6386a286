import { readModels } from './model-list.js';

const names = (said: unknown): string[] | undefined => readModels(said)?.map(({ name }) => name);

describe("the models of an OpenAI-compatible server's list", () => {
  it.each<[unknown, string[] | undefined]>([
    [{ object: 'list', data: [{ id: 'a' }, { id: 'b' }] }, ['a', 'b']],
    [[{ id: 'a' }], ['a']],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [{ models: [{ name: 'a' }, { model: 'b' }] }, ['a', 'b']],
    [{ data: null, models: ['a'] }, ['a']],
    [{ data: [{ id: 'a' }, null, 7, {}, { id: 3 }, { id: '' }, [], 'b'] }, ['a', 'b']],
    [{ data: [] }, []],
    [{ data: {} }, undefined],
    [{ ok: true }, undefined],
    ['models', undefined],
    [null, undefined],
  ])('of %j are %j', (said, expected) => {
    expect(names(said)).toEqual(expected);
  });

  it('have what llama.cpp tells of them', () => {
    const meta = { n_ctx: 2048, n_ctx_train: 8192, size: 96_576_768 };
    expect(readModels({ data: [{ id: 'a', aliases: ['a', 'b', 7], meta }] })).toEqual([
      {
        name: 'a',
        aliases: ['a', 'b'],
        size: 96_576_768,
        contextLength: 2048,
        maxContextLength: 8192,
        capabilities: [],
        loaded: true,
      },
    ]);
  });

  it.each<[object, boolean]>([
    [{ status: { value: 'loaded' } }, true],
    [{ status: { value: 'unloaded' } }, false],
    [{ status: { value: 'loading' } }, false],
    [{ status: { value: 'failed' } }, false],
    [{ state: 'not-loaded' }, false],
    [{ state: 'loaded' }, true],
    [{ status: null }, true],
    [{}, true],
  ])('are loaded as the server says: %j is %s', (fields, loaded) => {
    expect(readModels([{ id: 'a', ...fields }])).toMatchObject([{ loaded }]);
  });

  it.each<[object, number | null, number | null]>([
    [{ max_model_len: 4096 }, 4096, null],
    [{ context_length: 8192, top_provider: { context_length: 4096 } }, 4096, 8192],
    [{ context_window: 8192 }, null, 8192],
    [{ max_context_length: 8192, loaded_context_length: 2048 }, 2048, 8192],
    [{ max_context_length: '8192' }, null, null],
    [{ meta: null }, null, null],
  ])('have the context of %j: %s in force, at most %s', (fields, inForce, most) => {
    expect(readModels([{ id: 'a', ...fields }])).toMatchObject([
      { contextLength: inForce, maxContextLength: most },
    ]);
  });
});
