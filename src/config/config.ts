import type { z } from 'zod';
import type { settings } from './settings.js';

/** Declared as a class so that Nest can inject it by type: `constructor(config: Config)`. */
// oxlint-disable-next-line typescript/no-extraneous-class
export abstract class Config {}
export interface Config extends Readonly<z.output<typeof settings>> {}
