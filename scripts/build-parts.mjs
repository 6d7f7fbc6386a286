/** Each part: what goes in, what comes out, the commands, and the parts that must be there before. */
export const PARTS = {
  client: {
    inputs: ['client/src', 'client/package.json', 'client/tsconfig.json'],
    output: 'client/dist/index.js',
    commands: [['run', 'build', '-w', 'client']],
    after: [],
  },
  doctor: {
    inputs: ['doctor/src', 'doctor/package.json', 'doctor/tsconfig.json'],
    output: 'doctor/dist/examine.js',
    commands: [['run', 'build', '-w', 'doctor']],
    after: ['client'],
  },
  server: {
    inputs: ['src', 'nest-cli.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/bundle.mjs'],
    output: 'dist/main.js',
    commands: [['run', 'build:server']],
    after: ['doctor'],
  },
  web: {
    inputs: [
      'web/src',
      'web/public',
      'web/index.html',
      'web/package.json',
      'web/tsconfig.json',
      'web/vite.config.ts',
      'web/vite-plugins.ts',
    ],
    output: 'web/dist/index.html',
    commands: [['run', 'build', '-w', 'web']],
    after: ['doctor'],
  },
};
