import { register } from 'node:module';
import { TestEnvironment } from 'jest-environment-node';

register('./typescript-hooks.mjs', import.meta.url);

/**
 * Jest loads every module anew for each test file, and the application takes most of a second. What a
 * test knows by its addresses only is loaded once for all files of a worker, by Node.js itself.
 */
export default class extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.importOnce = (file) => import(new URL(`../../${file}`, import.meta.url));
  }
}
