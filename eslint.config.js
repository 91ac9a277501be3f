import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

// Imports point one way (docs/architecture.md). For each room: the rooms it may import from, and those
// it may import only types from. The entries (src/*.ts) may import from all, and nothing from them.
const helpers = ['kubernetes', 'report']
const middle = ['rollout', 'django', 'kubernetes', 'docker', 'github', 'report']
const ground = ['world', 'options']
const rooms = {
  pipeline: { values: ['stages', 'checks', ...middle, ...ground], types: [] },
  stages: { values: ['checks', ...middle, ...ground], types: [] },
  // What is said before a release: plain data in, findings out.
  checks: { values: [...middle, ...ground], types: ['stages'] },
  ...Object.fromEntries(
    middle.map((room) => [room, { values: [...helpers, ...ground], types: middle }]),
  ),
  // A crash is told by what Python says of it.
  rollout: { values: [...helpers, 'django', ...ground], types: middle },
  // What a person types is read, and nothing is done yet.
  commandline: { values: ['options'], types: ['report'] },
  world: { values: [], types: [] },
  options: { values: [], types: [] },
}

// What acts on the machine: only world/ and the entries may touch it.
const effects = {
  modules: [
    ...['fs', 'fs/promises', 'child_process', 'process', 'worker_threads', 'timers'],
    ...['timers/promises', 'http', 'http2', 'https', 'net', 'tls', 'dgram', 'os'],
  ].flatMap((name) => [name, `node:${name}`]),
  globals: ['setTimeout', 'setInterval', 'setImmediate', 'fetch'],
  properties: [
    ['Date', 'now'],
    ['performance', 'now'],
    ['process', 'env'],
    ['AbortSignal', 'timeout'],
  ],
}
const throughWorld = 'Only src/world and the entries touch the machine: take it from the World.'

// In rollout/ these files act; all others judge: they take a picture and a time, and give a judgement.
// Those import types, and values of each other and of these helpers only.
const acting = [
  'archive',
  'diagnose',
  'follow',
  'gather',
  'locate',
  'logs',
  'looking',
  'record',
  'restore',
  'snapshot',
  'unblock',
  'watch',
]
const pureHelpers = ['configuration', 'image', 'objects', 'workload']

/** Options of no-restricted-imports for one room; `onlyPure` for its files that decide. */
function imports(room, { onlyPure = false } = {}) {
  const { values, types } = rooms[room]
  const others = Object.keys(rooms).filter((other) => other !== room)
  const closed = others.filter((other) => !values.includes(other) && !types.includes(other))
  const typesOnly = others.filter((other) => !values.includes(other) && types.includes(other))
  const from = (names) => `^(\\.\\./)+(${names.join('|')})/`
  return {
    paths:
      room === 'world'
        ? []
        : [...effects.modules, '@actions/exec'].map((name) => ({ name, message: throughWorld })),
    patterns: [
      {
        regex: from(closed),
        message: `src/${room} does not import from there: imports point one way.`,
      },
      { regex: '^\\.\\./[^/]+$', message: 'Nothing imports an entry.' },
      ...(typesOnly.length > 0
        ? [
            {
              regex: from(typesOnly),
              allowTypeImports: true,
              message: `src/${room} may import only types from there.`,
            },
          ]
        : []),
      ...(onlyPure
        ? [
            {
              regex: `^(?!\\./(?!(${acting.join('|')})\\.)|\\.\\./kubernetes/(${pureHelpers.join('|')})\\.)`,
              allowTypeImports: true,
              message:
                'This file decides and is pure: it imports types, and values of pure files only.',
            },
          ]
        : []),
    ],
  }
}

const oneWay = Object.keys(rooms).map((room) => ({
  files: [`src/${room}/**/*.ts`],
  rules: { '@typescript-eslint/no-restricted-imports': ['error', imports(room)] },
}))

export default defineConfig(
  { ignores: ['dist/', 'build/', 'node_modules/', 'cluster/', 'examples/', '**/*.generated.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      // An empty text is as good as none in most places here: `||` says so.
      '@typescript-eslint/prefer-nullish-coalescing': [
        'error',
        { ignorePrimitives: { string: true } },
      ],
      // Brackets show that a key comes from outside: env['CI'], labels['app'].
      '@typescript-eslint/dot-notation': ['error', { allowIndexSignaturePropertyAccess: true }],
      '@typescript-eslint/no-dynamic-delete': 'off',
      eqeqeq: 'error',
    },
  },
  ...oneWay,
  {
    files: ['src/rollout/**/*.ts'],
    ignores: acting.map((name) => `src/rollout/${name}.ts`),
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', imports('rollout', { onlyPure: true })],
    },
  },
  {
    files: ['src/*/**/*.ts'],
    ignores: ['src/world/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        {
          globals: effects.globals.map((name) => ({ name, message: throughWorld })),
          checkGlobalObject: true,
        },
      ],
      'no-restricted-properties': [
        'error',
        ...effects.properties.map(([object, property]) => ({
          object,
          property,
          message: throughWorld,
        })),
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            ':matches(NewExpression, CallExpression)[callee.name="Date"][arguments.length=0]',
          message: throughWorld,
        },
        {
          selector: 'ImportExpression[source.value=/^\\./]',
          message: 'Import it at the top, where the rule of one direction sees it.',
        },
      ],
    },
  },
  {
    files: ['__tests__/**/*.ts'],
    rules: {
      '@typescript-eslint/no-non-null-assertion': 'off',
      // jest's `expect(mock.method)` and empty stand-ins are what tests are made of.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: {
        console: 'readonly',
        process: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
      },
    },
  },
)
