import { z } from 'zod';
import { generationId } from './ids.js';

/** What every record begins with. */
export const envelope = {
  generationId,
  seq: z.int().min(1).describe('1, 2, 3, … without holes in each generation.'),
  from: z
    .int()
    .min(1)
    .optional()
    .describe('First seq this record covers, where several were merged into one.'),
};
