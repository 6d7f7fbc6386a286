import { z } from 'zod';

/** What operators see of the nodes that serve the same clients. */
export const clusterView = z
  .object({
    node: z.string().describe('The node that answers.'),
    leaseMs: z.int().describe('How long a node may be silent before it is taken for lost.'),
    nodes: z.array(
      z.object({
        node: z.string(),
        isAlive: z.boolean(),
        silentMs: z.number().describe('Since its last beat was seen by the node that answers.'),
      }),
    ),
    owned: z.int().describe('Generations that wait or run on this node.'),
    followed: z.int().describe('Generations of other nodes that this one has copies of.'),
    behind: z.int().describe('Entries of its own that the store does not have yet.'),
    store: z.object({
      isReachable: z.boolean(),
      latencyMs: z
        .number()
        .nullable()
        .describe('How long its last answer took; null before the first one.'),
      version: z.string().nullable().describe('Of Redis, or of what Valkey is compatible with.'),
      maxMemoryPolicy: z.string().nullable().describe('What it does when it is full.'),
      isPersistent: z.boolean().nullable().describe('Whether it keeps an append-only file.'),
    }),
  })
  .meta({
    id: 'ClusterView',
    description: 'The nodes as one of them sees them.',
    examples: [
      {
        node: 'k3JvX0d1',
        leaseMs: 5000,
        nodes: [
          { node: 'k3JvX0d1', isAlive: true, silentMs: 310 },
          { node: 'Qm6c7Tq2', isAlive: true, silentMs: 720 },
        ],
        owned: 12,
        followed: 3,
        behind: 4,
        store: {
          isReachable: true,
          latencyMs: 0.4,
          version: '7.0.15',
          maxMemoryPolicy: 'noeviction',
          isPersistent: true,
        },
      },
    ],
  });
export type ClusterView = z.infer<typeof clusterView>;
