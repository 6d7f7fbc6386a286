import { z } from 'zod';

/** Body of `POST /demo/faults`. */
export const faultRequest = z
  .strictObject({
    fault: z
      .enum(['cut', 'offline', 'stall'])
      .describe(
        'cut: its connections die. offline: so do all, and new ones are refused. stall: nothing reaches it.',
      ),
    clientId: z.string().min(1).max(64).describe('Id of a connected socket.'),
  })
  .meta({ id: 'FaultRequest' });
export type FaultRequest = z.infer<typeof faultRequest>;

/** What `POST /demo/faults` answers. */
export const faultStarted = z
  .object({ ms: z.number().describe('How long it will last, in ms; a cut is over at once.') })
  .meta({ id: 'FaultStarted', description: 'The fault is there.' });
export type FaultStarted = z.infer<typeof faultStarted>;
