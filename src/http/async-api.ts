import { z } from 'zod';
import { API_INFO, referenced, nameOf, refTo } from './api-schemas.js';
import { clientEvents, serverEvents } from '../protocol/socket-events.js';

const CHANNEL = { $ref: '#/channels/events' };

/** How a client shows who it is, where the server has credentials configured. */
const CREDENTIAL = {
  type: 'http',
  scheme: 'bearer',
  description:
    'An API key or the token (JWT) of a user, as auth.token of the handshake or as Authorization. ' +
    'Not needed where the server has no credentials configured.',
};

/** One payload that an event may have. */
interface Message {
  name: string;
  title: string;
  summary: string | undefined;
  payload: { $ref: string };
  examples: { payload: unknown }[];
}

/**
 * The AsyncAPI 3 document of the socket: the server's view, so it `receive`s what clients send.
 * @param host where Socket.IO answers, with its port
 */
export function asyncApi(host: string): object {
  const messages: Record<string, Message> = {};
  /** Makes a message of each shape that the schema allows. @returns references to them */
  const messagesOf = (event: string, schema: z.ZodType): { $ref: string }[] =>
    shapes(schema).map((shape) => {
      const title = nameOf(shape);
      const { description: summary, examples = [] } = shape.meta() ?? {};
      messages[`${event}.${title}`] = {
        name: event,
        title,
        summary,
        payload: refTo(shape),
        examples: (examples as unknown[]).map((payload) => ({ payload })),
      };
      return { $ref: `${CHANNEL.$ref}/messages/${event}.${title}` };
    });

  const received = Object.entries(clientEvents).map(([event, { summary, request, ack }]) => [
    event,
    {
      action: 'receive',
      channel: CHANNEL,
      summary,
      messages: messagesOf(event, request),
      reply: { channel: CHANNEL, messages: messagesOf(`${event}.ack`, ack) },
    },
  ]);
  const sent = Object.entries(serverEvents).map(([event, { summary, payload }]) => [
    event,
    { action: 'send', channel: CHANNEL, summary, messages: messagesOf(event, payload) },
  ]);

  return {
    asyncapi: '3.0.0',
    info: {
      ...API_INFO,
      description: `${API_INFO.description}. The REST side of it is at /docs-json.`,
    },
    defaultContentType: 'application/json',
    servers: {
      socket: {
        host,
        protocol: 'ws',
        security: [{ $ref: '#/components/securitySchemes/credential' }],
        description: 'Socket.IO 4 (Engine.IO protocol 4): a plain WebSocket client does not do.',
      },
    },
    channels: {
      events: {
        address: '/events',
        title: 'Namespace /events',
        description:
          'The name of a message is the name of its Socket.IO event; a reply is its ack callback.',
        servers: [{ $ref: '#/servers/socket' }],
        messages: Object.fromEntries(
          Object.keys(messages).map((id) => [id, { $ref: `#/components/messages/${id}` }]),
        ),
      },
    },
    operations: Object.fromEntries([...received, ...sent]),
    components: {
      messages,
      schemas: referenced(messages),
      securitySchemes: { credential: CREDENTIAL },
    },
  };
}

/** The alternatives of a union that have names of their own; otherwise the schema itself. */
function shapes(schema: z.ZodType): z.ZodType[] {
  if (!(schema instanceof z.ZodUnion)) return [schema];
  const options = schema.options as z.ZodType[];
  return options.every((option) => option.meta()?.id !== undefined)
    ? options.flatMap(shapes)
    : [schema];
}
