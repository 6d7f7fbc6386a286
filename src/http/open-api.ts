import { STATUS_CODES } from 'node:http';
import { type INestApplication, SetMetadata } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { z } from 'zod';
import { API_INFO, refTo, referenced } from './api-schemas.js';
import { CastError, ERRORS } from '../protocol/errors.js';
import type { ErrorCode } from '../protocol/errors.js';
import { refusal } from '../protocol/refusal.js';

type OperationObject = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Responses = OperationObject['responses'];

/** What the document says of a route beyond its path, its method and the schema of its body. */
interface RouteDescription {
  summary: string;
  description?: string;
  /** Its path parameters and the headers it reads, by name. */
  parameters?: Readonly<Record<string, z.ZodType>>;
  /** Its query parameters, by name. */
  query?: Readonly<Record<string, z.ZodType>>;
  /** What it answers, by status; null: no body. */
  answers: Readonly<Record<number, z.ZodType | null>>;
  /** Media type of its answers, if that is not JSON. */
  produces?: string;
  /** What its answer 200 streams as Server-Sent Events, where the caller asks for them. */
  streams?: z.ZodType;
  /** The codes it refuses with, besides those that every route does. */
  refuses?: readonly ErrorCode[];
}

const EVENT_STREAM = 'text/event-stream';

/** How a caller shows who it is (docs/access.md). */
const CREDENTIAL = {
  type: 'http' as const,
  scheme: 'bearer',
  description: 'An API key, the token (JWT) of a user, or a link to one generation.',
};

const REFUSED_ANYWHERE: readonly ErrorCode[] = [
  'unauthorized',
  'auth_expired',
  // An address that has shown too many bad credentials.
  'rate_limited',
  'forbidden',
  'internal',
];
const REFUSED_BODIES: readonly ErrorCode[] = [
  'invalid_request',
  'payload_too_large',
  'unsupported_media_type',
];

const HEADERS = {
  'X-Request-Id': {
    description: "The caller's own, or a new one; the log knows it too.",
    schema: { type: 'string' as const },
  },
  Location: {
    description: 'Where the new generation is.',
    schema: { type: 'string' as const, format: 'uri-reference' },
  },
  'Retry-After': {
    description: 'Earliest sensible time for the next try, in seconds, where it is known.',
    schema: { type: 'integer' as const },
  },
};

/** By operation id: the name of the method, which is therefore unique among all controllers. */
const routes = new Map<string, RouteDescription>();

/**
 * Describes a route for the OpenAPI document. The decorators of `@nestjs/swagger` would load it at
 * every start, for 15 MB and more time than the rest of Nest takes.
 */
export function Route(description: RouteDescription): MethodDecorator {
  return (_target, method) => {
    const operationId = String(method);
    if (routes.has(operationId)) throw new TypeError(`two routes are called ${operationId}`);
    routes.set(operationId, description);
  };
}

/** For a controller whose routes speak the protocol of others: the OpenAPI document has none of them. */
export const ForeignRoutes = (): ClassDecorator =>
  // What `@ApiExcludeController` of `@nestjs/swagger` sets, without loading it.
  SetMetadata('swagger/apiExcludeController', [true]);

/** The OpenAPI document of all routes: Nest knows paths and bodies, {@link Route} the rest. */
export async function openApi(app: INestApplication, basePath: string): Promise<object> {
  const { DocumentBuilder, SwaggerModule } = await import('@nestjs/swagger');
  const { title, version, description, license } = API_INFO;
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(title)
    .setVersion(version)
    .setDescription(`${description}. The socket's side of it is at /asyncapi.json.`)
    .addServer(basePath || '/')
    // Where credentials are configured; otherwise none is needed.
    .addSecurityRequirements('credential')
    .addSecurityRequirements({})
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (_controller, method) => method,
    standardSchemaConverter: (schema) => ({ schema: refTo(schema as z.ZodType) }),
  });
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as OperationObject[]) describe(operation);
  }
  return {
    ...document,
    // The name is that of SPDX.
    info: { ...document.info, license: { ...license, identifier: license.name } },
    components: {
      schemas: referenced(document.paths),
      securitySchemes: { credential: CREDENTIAL },
    },
  };
}

function describe(operation: OperationObject): void {
  const route = routes.get(operation.operationId ?? '');
  if (route === undefined) return;
  const { summary, description, parameters = {}, query = {}, refuses = [] } = route;
  const ofPath = new Set(
    operation.parameters?.map(
      (parameter) => 'in' in parameter && parameter.in === 'path' && parameter.name,
    ),
  );
  const codes = [
    ...(operation.requestBody === undefined ? [] : REFUSED_BODIES),
    ...refuses,
    ...REFUSED_ANYWHERE,
  ];
  Object.assign(operation, {
    summary,
    ...(description !== undefined && { description }),
    parameters: [
      ...Object.entries(parameters).map(([name, schema]) =>
        parameter(name, ofPath.has(name) ? 'path' : 'header', schema),
      ),
      ...Object.entries(query).map(([name, schema]) => parameter(name, 'query', schema)),
    ],
    responses: { ...answers(route), ...refusals([...new Set(codes)]) },
  });
}

function parameter(name: string, where: 'path' | 'header' | 'query', schema: z.ZodType): object {
  return {
    name,
    in: where,
    required: where === 'path',
    description: schema.meta()?.description,
    schema: refTo(schema),
  };
}

function answers({ answers, produces, streams }: RouteDescription): Responses {
  const plain = Object.entries(answers).map(([status, schema]) =>
    answer(status, schema, produces ?? 'application/json', status === '201'),
  );
  const streamed = streams === undefined ? [] : [answer('200', streams, EVENT_STREAM, true)];
  return Object.fromEntries([...streamed, ...plain]);
}

/** @param isNew whether it names the new generation */
function answer(
  status: string,
  schema: z.ZodType | null,
  mediaType: string,
  isNew: boolean,
): [string, Responses[string]] {
  return [
    status,
    {
      description: schema?.meta()?.description ?? STATUS_CODES[status] ?? '',
      headers: headers('X-Request-Id', ...(isNew ? (['Location'] as const) : [])),
      ...(schema !== null && { content: { [mediaType]: { schema: bodyOf(schema, mediaType) } } }),
    },
  ];
}

/** An event stream is text: of many, each event's data has the shape. */
function bodyOf(schema: z.ZodType, type: string): object {
  if (type !== EVENT_STREAM) return refTo(schema);
  return {
    type: 'string',
    description: 'Server-Sent Events. The `data` of each is JSON, of the shape in `contentSchema`.',
    contentMediaType: EVENT_STREAM,
    contentSchema: refTo(schema),
  };
}

/** One response a status, with the codes that it may have and an example of each. */
function refusals(codes: readonly ErrorCode[]): Responses {
  const statuses = [...new Set(codes.map((code) => ERRORS[code].status))];
  return Object.fromEntries(
    statuses.map((status): [string, Responses[string]] => {
      const possible = codes.filter((code) => ERRORS[code].status === status);
      const retryable = possible.some((code) => ERRORS[code].retryable);
      return [
        String(status),
        {
          description: possible.map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
          headers: headers('X-Request-Id', ...(retryable ? (['Retry-After'] as const) : [])),
          content: {
            'application/json': {
              schema: { allOf: [refTo(refusal), { properties: { code: { enum: possible } } }] },
              examples: Object.fromEntries(
                possible.map((code) => [
                  code,
                  { value: { statusCode: status, ...new CastError(code).refusal() } },
                ]),
              ),
            },
          },
        },
      ];
    }),
  );
}

function headers(...names: (keyof typeof HEADERS)[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, HEADERS[name]]));
}
