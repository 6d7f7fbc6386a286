import * as fc from 'fast-check';

/** From 0 to 1, all parts of it alike: of the doubles between them, which fast-check gives, most are next to 0. */
export const fraction = fc.integer({ min: 0, max: 1_000 }).map((said) => said / 1_000);
