// Writes client/src/protocol.ts: the shapes of src/protocol/ as types that need no zod.
// `npm run client:types`; with --check it only tells whether the committed file is what it would write.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { build } from 'rolldown';
import { z } from 'zod';

const HEADER = `/**
 * The wire contract of llm-cast. Generated from the server's schemas by scripts/client-types.mjs:
 * do not edit, run \`npm run client:types\`.
 */
`;
const REF = '#/';

/**
 * @param {Record<'clientEvents' | 'serverEvents', object>} protocol the server's `protocol/socket-events.ts`
 * @returns {string} the types as a TypeScript file
 */
function clientTypes({ clientEvents, serverEvents }) {
  const { schemas } = z.toJSONSchema(z.globalRegistry, {
    uri: (id) => REF + id,
    target: 'draft-7',
    // On the output side zod forbids the unknown fields that clients are to ignore.
    io: 'input',
  });
  const types = Object.entries(schemas).map(
    ([name, schema]) => `${comment(schema, '')}export type ${name} = ${typeOf(schema, '')};\n`,
  );
  const name = (schema) => schema.meta().id;
  const asked = Object.entries(clientEvents).map(
    ([event, { summary, request, ack }]) =>
      `  /** ${summary} */\n` +
      `  ${event}: (request: ${name(request)}, ack: (answer: ${name(ack)}) => void) => void;\n`,
  );
  const sent = Object.entries(serverEvents).map(
    ([event, { summary, payload }]) =>
      `  /** ${summary} */\n  ${event}: (payload: ${name(payload)}) => void;\n`,
  );
  return [
    HEADER,
    ...types,
    `/** What a client may ask for over the socket. */\nexport interface ClientToServerEvents {\n${asked.join('')}}\n`,
    `/** What the server sends. */\nexport interface ServerToClientEvents {\n${sent.join('')}}\n`,
  ].join('\n');
}

/** A JSON Schema, as zod writes them, as a TypeScript type. */
function typeOf(schema, indent) {
  if (schema.$ref !== undefined) return schema.$ref.slice(REF.length);
  if ('const' in schema) return literal(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map((choice) => typeOf(choice, indent)).join(' | ');
  if (schema.allOf !== undefined) {
    return schema.allOf.map((part) => `(${typeOf(part, indent)})`).join(' & ');
  }
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(' | ');
  }
  switch (schema.type) {
    case 'object':
      return objectOf(schema, indent);
    case 'array':
      return `Array<${typeOf(schema.items, indent)}>`;
    case 'integer':
      return 'number';
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return schema.type;
    case undefined:
      return 'unknown';
    default:
      throw new TypeError(`no type for ${JSON.stringify(schema)}`);
  }
}

function objectOf({ properties = {}, required = [], additionalProperties: more }, indent) {
  const inner = `${indent}  `;
  const fields = Object.entries(properties).map(([name, schema]) => {
    // What may be absent may also be said to be so.
    const [mark, absent] = required.includes(name) ? ['', ''] : ['?', ' | undefined'];
    return `${comment(schema, inner)}${inner}${name}${mark}: ${typeOf(schema, inner)}${absent};\n`;
  });
  // Only where there is something to say of them: of other fields a type says nothing.
  const isOpen = typeof more === 'object';
  if (isOpen)
    fields.push(
      `${inner}[name: string]: ${fields.length > 0 ? 'unknown' : typeOf(more, inner)};\n`,
    );
  return fields.length === 0 ? 'Record<string, never>' : `{\n${fields.join('')}${indent}}`;
}

function comment({ $ref, description }, indent) {
  if ($ref !== undefined || description === undefined) return '';
  return `${indent}/** ${description.replaceAll('*/', '*\\/')} */\n`;
}

const literal = (value) => (typeof value === 'string' ? `'${value}'` : String(value));

/** The server's `protocol/` as it is now, built or not: all that it imports is zod. */
async function serverProtocol() {
  const { output } = await build({
    input: fileURLToPath(new URL('../src/protocol/socket-events.ts', import.meta.url)),
    external: 'zod',
    // A shape that no event names is one all the same.
    treeshake: false,
    write: false,
  });
  const code = output[0].code.replace(/(['"])zod\1/, `'${import.meta.resolve('zod')}'`);
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

const file = new URL('../client/src/protocol.ts', import.meta.url);
const style = await resolveConfig(file);
const types = await format(clientTypes(await serverProtocol()), {
  ...style,
  parser: 'typescript',
});
if (!process.argv.includes('--check')) writeFileSync(file, types);
else if (readFileSync(file, 'utf8') !== types) {
  console.error('client/src/protocol.ts is not up to date: npm run client:types');
  process.exitCode = 1;
}
