// Six projects: `unit` is quick and needs nothing, `model` explores the protocol for a minute, `browser`
// needs Chromium, `cluster` needs the stack to be up, `workflows` runs whole workflow files against it,
// `long` takes minutes a test and disturbs whoever uses the stack too. Each has an npm script (`e2e` for
// cluster and workflows together, whose waits fill each other's) with its time limit: jest takes none from
// a project.

/** @type {import('jest').Config} */
const shared = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/scripts/jest-transform.mjs' },
  // Sources import each other by the name that the built file has.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/'],
}

/** @type {import('jest').Config} */
export default {
  // A release waits most of its time, but what it waits for takes processors: with more plays at once in each
  // file, pods of a small machine start later than any test expects.
  maxConcurrency: 2,
  testSequencer: '<rootDir>/scripts/jest-sequencer.mjs',
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: ['<rootDir>/__tests__/**/*.test.ts'],
      testPathIgnorePatterns: ['<rootDir>/__tests__/(model|browser|cluster|workflows|long)/'],
    },
    {
      ...shared,
      displayName: 'model',
      testMatch: ['<rootDir>/__tests__/model/**/*.test.ts'],
    },
    {
      ...shared,
      displayName: 'browser',
      testMatch: ['<rootDir>/__tests__/browser/**/*.test.ts'],
    },
    {
      ...shared,
      displayName: 'cluster',
      testMatch: ['<rootDir>/__tests__/cluster/**/*.test.ts'],
    },
    {
      ...shared,
      displayName: 'workflows',
      testMatch: ['<rootDir>/__tests__/workflows/**/*.test.ts'],
    },
    {
      ...shared,
      displayName: 'long',
      testMatch: ['<rootDir>/__tests__/long/**/*.test.ts'],
    },
  ],
}
