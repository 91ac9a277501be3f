import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

// The layers of src, from the top down (docs/architecture.md): a folder imports from itself and from those
// below it, types counted, so no two folders need each other. The entries (src/*.ts) may import from all of
// them, and nothing imports an entry.
const layers = `
  commands doctor stages checks github docker report state undo rollout judge django kubernetes
  failure options platform
`
  .trim()
  .split(/\s+/)
// The command line reads what a person types, and does nothing yet.
const below = {
  ...Object.fromEntries(layers.map((folder, i) => [folder, layers.slice(i + 1)])),
  cli: ['options', 'failure'],
}

// What acts on the machine: only platform/ and the entries may touch it.
const effects = {
  modules: `
    fs fs/promises child_process process worker_threads timers timers/promises http http2
    https net tls dgram os
  `
    .trim()
    .split(/\s+/)
    .flatMap((name) => [name, `node:${name}`]),
  globals: ['setTimeout', 'setInterval', 'setImmediate', 'fetch'],
  properties: [
    ['Date', 'now'],
    ['performance', 'now'],
    ['process', 'env'],
    ['AbortSignal', 'timeout'],
  ],
}
const onlyPlatform =
  'Only src/platform and the entries touch the machine: take it from the Platform.'

// These folders decide: data in, a judgement or findings out. Of what acts they import types alone, and
// values of these files, which are as pure.
const pure = {
  judge: [
    'failure/',
    'options/',
    'django/',
    'kubernetes/(configuration|image|objects|replicas|workload)',
  ],
  checks: [
    'failure/',
    'options/',
    'django/',
    'judge/',
    'undo/snapshot',
    'state/(history|lease)',
    'report/finding',
    'docker/(client|registry-errors)',
    'kubernetes/(access|configuration|image|objects|policies|replicas|skew|workload)',
  ],
}

/** Options of no-restricted-imports for one folder. */
function imports(folder) {
  const closed = [...layers, 'cli'].filter(
    (other) => other !== folder && !below[folder].includes(other),
  )
  const values = pure[folder]
  return {
    paths:
      folder === 'platform'
        ? []
        : [...effects.modules, '@actions/exec'].map((name) => ({ name, message: onlyPlatform })),
    patterns: [
      {
        regex: `^(\\.\\./)+(${closed.join('|')})/`,
        message: `src/${folder} does not import from there: imports point one way.`,
      },
      { regex: '^(\\.\\./)+(action|cli|post)\\.js$', message: 'Nothing imports an entry.' },
      ...(values
        ? [
            {
              regex: `^\\.\\./(?!(${values.join('|')}))`,
              allowTypeImports: true,
              message: `src/${folder} is pure: it imports types, and values of pure files only.`,
            },
          ]
        : []),
    ],
  }
}

// Words that docs/glossary.md has replaced by the field's own.
const replacedWords = `
  Aim aims Picture LivePicture picture Sight sight Weighed weigh Ledger ledger patiently
  isPassing looking lookAgainAt Stand Standing stands whose ours theirs Prior undoOf
  templateBack allBack Course Prepared lookAround Followed NextWave guarded LeaseUnsure
  takeLease Begun Ended remember Journal journal telling news closing lessons mending World
  world within withinAfter orAborted briefly together Face Given nearest typed told asked tell
  tells hopeless trouble troubleOf Overtaken Lesson face standing standings askedFor askedForMs
  settle
`
  .trim()
  .split(/\s+/)

/**
 * A long function with named functions inside is a class in disguise: its variables are the state. A class names
 * its states; where there are none, the functions stand beside each other.
 */
const mostClosureLines = 60
const shortClosures = {
  create: (context) => {
    const open = []
    const isNamed = ({ type, parent }) =>
      type === 'FunctionDeclaration' || parent.type === 'VariableDeclarator'
    return {
      ':function': (node) => {
        const outer = open.at(-1)
        if (outer && isNamed(node) && node.body.type === 'BlockStatement') outer.hasFunctions = true
        open.push({ hasFunctions: false })
      },
      ':function:exit': (node) => {
        const { hasFunctions } = open.pop()
        const lines = node.loc.end.line - node.loc.start.line + 1
        if (!hasFunctions || lines <= mostClosureLines) return
        const message = `${lines} lines with functions inside: make it a class, or split it.`
        context.report({ node, message })
      },
    }
  },
}

const oneWay = Object.keys(below).map((folder) => ({
  files: [`src/${folder}/**/*.ts`],
  rules: { '@typescript-eslint/no-restricted-imports': ['error', imports(folder)] },
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
    files: ['src/**/*.ts'],
    plugins: { local: { rules: { 'short-closures': shortClosures } } },
    rules: {
      'id-denylist': ['error', ...replacedWords],
      'local/short-closures': 'error',
      // What more belongs together is one input with names.
      '@typescript-eslint/max-params': ['error', { max: 4 }],
    },
  },
  {
    files: ['src/*/**/*.ts'],
    ignores: ['src/platform/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        {
          globals: effects.globals.map((name) => ({ name, message: onlyPlatform })),
          checkGlobalObject: true,
        },
      ],
      'no-restricted-properties': [
        'error',
        ...effects.properties.map(([object, property]) => ({
          object,
          property,
          message: onlyPlatform,
        })),
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            ':matches(NewExpression, CallExpression)[callee.name="Date"][arguments.length=0]',
          message: onlyPlatform,
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
