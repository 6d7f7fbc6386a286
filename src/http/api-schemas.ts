import { z } from 'zod';
import { ERRORS } from '../protocol/errors.js';
import { description, license, version } from '../config/package.js';

/** What both documents say of themselves. */
export const API_INFO = { title: 'llm-cast', version, description, license: { name: license } };

const uri = (id: string): string => `#/components/schemas/${id}`;

/** How both documents point at a shape of `protocol/`: it must have an id there. */
export function refTo(schema: z.ZodType): { $ref: string } {
  return { $ref: uri(nameOf(schema)) };
}

export function nameOf(schema: z.ZodType): string {
  const { id } = schema.meta() ?? {};
  if (id === undefined) throw new TypeError('a documented shape has an id');
  return id;
}

/**
 * Every named shape of `protocol/` as JSON Schema, for `components.schemas`. The registry form of
 * zod's conversion is the one whose references resolve in both documents. They are of the input
 * side: on the output side zod forbids the unknown fields that clients are to ignore.
 */
function componentSchemas(): Record<string, object> {
  const { schemas } = z.toJSONSchema(z.globalRegistry, { uri, target: 'draft-7', io: 'input' });
  for (const schema of Object.values(schemas)) {
    // They have no address of their own: inside a document they are parts of it.
    delete schema.$schema;
    delete schema.$id;
  }
  const named = { ...schemas, ErrorCode: { ...schemas['ErrorCode'], description: errorTable() } };
  return JSON.parse(JSON.stringify(named), portable) as Record<string, object>;
}

/** Classes of Unicode are unknown to the regular expressions of many languages: the text says it. */
function portable(key: string, value: unknown): unknown {
  return key === 'pattern' && String(value).includes('\\p{') ? undefined : value;
}

/** Those that a document points at, by themselves or through others. */
export function referenced(document: object): Record<string, object> {
  const schemas = componentSchemas();
  const found = new Map<string, object>();
  const look = (at: object): void => {
    for (const [, name = ''] of JSON.stringify(at).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (found.has(name)) continue;
      found.set(name, schemas[name] ?? {});
      look(schemas[name] ?? {});
    }
  };
  look(document);
  return Object.fromEntries([...found].toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function errorTable(): string {
  return [
    'What went wrong: a closed list; a code keeps its meaning for ever.',
    '',
    '| code | HTTP status | retryable | meaning |',
    '| --- | --- | --- | --- |',
    ...Object.entries(ERRORS).map(
      ([code, { status, retryable, message }]) =>
        `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${message} |`,
    ),
  ].join('\n');
}
