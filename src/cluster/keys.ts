import { createHash, randomBytes } from 'node:crypto';
import type { Name } from '../generations/store/generation-store.js';

/**
 * Version of what is kept of a generation: its hash, and the batches of its stream. A node leaves alone
 * what another version has written.
 */
export const FORMAT = '1';
/** Characters of a node's id. */
const NODE_CHARS = 8;
/** Characters of a generation id before the id of its node. */
const RANDOM_CHARS = 22;

/**
 * An id for this node, another one at each boot.
 * @param name what it begins with, at most 4 characters, so that a proxy knows the node by it
 */
export function newNodeId(name = ''): string {
  return (
    name +
    randomBytes(NODE_CHARS)
      .toString('base64url')
      .slice(0, NODE_CHARS - name.length)
  );
}

/** The node on which a generation was born: its keys lie there for ever. Undefined for no such id. */
export function birthOf(generationId: string): string | undefined {
  const node = generationId.slice(RANDOM_CHARS);
  return node.length === NODE_CHARS ? node : undefined;
}

/** The node to which a client with this id is connected, if it is one of ours. */
export function nodeOfClient(clientId: string): string | undefined {
  return clientId.length > NODE_CHARS ? clientId.slice(0, NODE_CHARS) : undefined;
}

/** Names of keys and channels, after the prefix; a hash tag `{…}` says what lies in one slot. */
export const hashOf = (id: string): string => `{${birthOf(id)}}:m:${id}`;
/** What the door keeps with it. */
export const noteOf = (id: string): string => `{${birthOf(id)}}:n:${id}`;
export const streamOf = (id: string): string => `{${birthOf(id)}}:s:${id}`;
export const runningOf = (node: string): string => `{${node}}:g`;
/** Those of the script `open`, in its order. */
export const keysToOpen = (id: string): string[] => [
  hashOf(id),
  runningOf(birthOf(id) ?? ''),
  streamOf(id),
];
export const NODES = 'nodes';
/** Which beginnings of conversations an upstream has read lately; all of them lie in one slot. */
export const knownOf = (upstream: string): string => `{known}:${upstream}`;
/** What was taken back: a stream. */
export const REVOKED = 'revoked';
export const batchesTo = (birth: string, reader: string): string => `{${birth}}:to:${reader}`;
export const busOf = (node: string): string => `bus:${node}`;
export const BUS_OF_ALL = 'bus';

/** Digests, so that no name and no key of a client lies in Redis, and a long one costs no more. */
export const socketsOf = (account: string): string => `w:${digest(account)}`;
export const activeOf = (user: string): string => `a:${digest(user)}`;
export const keyOf = (user: string, key: string): string =>
  `k:${digest(JSON.stringify([user, key]))}`;
export const nameOf = ({ name, user }: Name): string => `n:${digest(JSON.stringify([user, name]))}`;

export function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url');
}
