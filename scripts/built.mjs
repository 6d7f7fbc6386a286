// Builds what has changed, then runs a built program in this process, with all further arguments:
//   node scripts/built.mjs demo --lan
import { fileURLToPath } from 'node:url';

const [, , name] = process.argv;
await import('./build.mjs');
if (process.exitCode) process.exit();
const program = new URL(`../dist/${name}.js`, import.meta.url);
process.argv.splice(1, 2, fileURLToPath(program));
await import(program);
