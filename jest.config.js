import { SWC } from './test/support/swc.mjs';

export default {
  globalSetup: '<rootDir>/test/support/own-folder.mjs',
  testEnvironment: '<rootDir>/test/support/environment.mjs',
  // Real processes on a shared machine: a test that hangs is what this finds, not a slow one.
  testTimeout: 300_000,
  // The tests wait more than they compute: six keep two cores busy.
  maxWorkers: 6,
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  // The doctor's cases wait for a heartbeat each, and keep to limits of their own.
  maxConcurrency: 6,
  testMatch: [
    '<rootDir>/src/**/*.spec.ts',
    '<rootDir>/doctor/src/**/*.spec.ts',
    '<rootDir>/test/**/*.e2e-spec.ts',
    '<rootDir>/client/test/**/*.e2e-spec.ts',
    '<rootDir>/web/test/**/*.e2e-spec.ts',
  ],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', SWC],
  },
};
