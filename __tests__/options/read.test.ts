import { describe, expect, test } from '@jest/globals'
import type { Command } from '../../src/options/commands.js'
import { readFileOptions } from '../../src/options/file.js'
import { closestMatch } from '../../src/options/closest-match.js'
import { readOptions, type RawInputs } from '../../src/options/read.js'
import type { Settings } from '../../src/options/table.js'

const least = { image: 'ghcr.io/acme/shop', namespace: 'shop' }

function read(given: RawInputs, command: Command = 'release'): Settings {
  const reading = readOptions(command, { ...least, ...given })
  if (reading.is === 'wrong') throw new Error(reading.problems.join('\n'))
  return reading.settings
}

function problems(given: RawInputs, command: Command = 'release'): readonly string[] {
  const reading = readOptions(command, { ...least, ...given })
  return reading.is === 'wrong' ? reading.problems : []
}

describe('an option that is not given', () => {
  test('has its default in the smallest use', () => {
    expect(read({})).toMatchObject({
      ...least,
      context: '.',
      'extra-tags': [],
      'build-args': {},
      'test-command': 'python manage.py test',
      'test-services': [],
      'test-env': {},
      'test-timeout': 1_200_000,
      manifests: [],
      'migrate-command': 'python manage.py migrate --noinput',
      'migrate-timeout': 900_000,
      timeout: 600_000,
      grace: {},
      order: 'auto',
      bake: 15_000,
      'lock-wait': 600_000,
    })
  })

  test.each(['tag', 'app', 'kubeconfig', 'timeout', 'bake', 'manifests', 'file', 'context'])(
    'is the same as an empty %s',
    (name) => {
      expect(read({ [name]: '' })).toEqual(read({}))
    },
  )

  test.each(['test-command', 'migrate-command'] as const)(
    'is the same as "none" and as an empty %s',
    (name) => {
      expect(read({ [name]: '' })[name]).toBe('')
      expect(read({ [name]: 'none' })[name]).toBe('')
    },
  )

  test('is not required when it is the namespace of a command without a cluster', () => {
    expect(readOptions('build', { image: 'acme/shop' })).toMatchObject({ is: 'read' })
  })

  test('has its default when it belongs to another command', () => {
    expect(read({}, 'deploy')['test-command']).toBe('python manage.py test')
  })
})

describe('a value that is given', () => {
  test.each([
    ['blanks around it', { app: ' shop \n' }, 'app', 'shop'],
    ['a path with blanks', { context: 'my app' }, 'context', 'my app'],
    ['no bake', { bake: '0' }, 'bake', 0],
    [
      'several manifests',
      { manifests: 'k8s\nmy files/db.yaml' },
      'manifests',
      ['k8s', 'my files/db.yaml'],
    ],
    ['a secret as it is', { kubeconfig: 'a:\n  b: c\n' }, 'kubeconfig', 'a:\n  b: c\n'],
    ['a command as it is', { 'test-command': 'a && b\n' }, 'test-command', 'a && b\n'],
  ] as const)('is read: %s', (_, given, name, value) => {
    expect(read(given)[name]).toEqual(value)
  })
})

describe('wrong options are rejected', () => {
  test.each([
    [{ image: '' }, '"image" is missing: for example image: ghcr.io/acme/shop'],
    [
      { image: 'shop:1' },
      '"image" "shop:1" must have no tag and no digest; set the tag with "tag": for example image: ghcr.io/acme/shop',
    ],
    [
      { timeout: '10' },
      '"timeout" "10" is not a duration; write it as 90s, 10m or 1m30s: for example timeout: 20m',
    ],
    [
      { timeout: '0' },
      '"timeout" "0" is zero; remove the option to use the default: for example timeout: 20m',
    ],
    [
      { 'test-services': 'postgres postgres' },
      '"test-services" "postgres postgres" has two services with the name "postgres"; write NAME=IMAGE: for example test-services: postgres:15 redis',
    ],
    [{ namepsace: 'x' }, '"namepsace" is not an option of release; did you mean "namespace"?'],
    [{ wholly: 'else' }, '"wholly" is not an option of release'],
    [
      { 'registry-username': 'me' },
      '"registry-password" is missing: "registry-username" requires it',
    ],
    [
      { 'registry-password': 'me' },
      '"registry-username" is missing: "registry-password" requires it',
    ],
    [{ backup: 'always' }, '"backup-cronjob" is missing: "backup" requires it'],
    [{ 'backup-timeout': '2h' }, '"backup-cronjob" is missing: "backup-timeout" requires it'],
  ])('in one sentence for %j', (given, problem) => {
    expect(problems(given)).toEqual([problem])
  })

  test('when they belong to another command', () => {
    expect(problems({ context: 'x' }, 'deploy')).toEqual(['"context" is not an option of deploy'])
  })

  test('all at once, so that one edit fixes them', () => {
    expect(problems({ namespace: 'A', tag: 'a b', bake: 'x', nope: '1' })).toHaveLength(4)
  })
})

// No reader refuses a kubeconfig or a password today; what holds assignments may hold keys.
test.each(['build-args', 'test-env'])('no part of a wrong %s is printed', (name) => {
  const [problem = ''] = problems({ [name]: 'A=s3cr3t-one\nSECRET_KEY s3cr3t-two' })
  expect(problem).toMatch(new RegExp(`^"${name}" is not of the form NAME=value in line 2`))
  expect(problem).not.toContain('s3cr3t')
})

describe('a file of options', () => {
  const file = readFileOptions(
    'django-rollout.yml',
    ['image: acme/blog', 'bake: 5s', 'migrate-command: none', 'order: sideways', 'context: b'].join(
      '\n',
    ),
  )
  const reading = (given: RawInputs, command: Command = 'release') =>
    readOptions(command, given, { surface: 'command', file })

  test('is overridden by options, and overrides the defaults', () => {
    expect(reading({ namespace: 'shop', bake: '1m', order: 'parallel' })).toMatchObject({
      is: 'read',
      settings: { image: 'acme/blog', bake: 60_000, 'migrate-command': '', order: 'parallel' },
    })
  })

  test('is not overridden by an empty input, and an empty command means none', () => {
    const given = { namespace: 'shop', order: 'parallel', bake: '', 'migrate-command': '' }
    expect(reading(given)).toMatchObject({ settings: { bake: 5_000, 'migrate-command': '' } })
  })

  test('sets only the options of the command that runs', () => {
    const given = { namespace: 'shop', order: 'parallel' }
    expect(reading(given, 'deploy')).toMatchObject({ is: 'read', settings: { context: '.' } })
  })

  test('is rejected with the line of a wrong value, in the words of the file', () => {
    expect(reading({ bake: 'x' })).toEqual({
      is: 'wrong',
      problems: [
        '"namespace" is missing: for example --namespace shop',
        'django-rollout.yml, line 4: "order" "sideways" is not auto, web-first, workers-first or parallel: for example order: parallel',
        '"bake" "x" is not a duration; write it as 90s, 10m or 1m30s: for example --bake 1m',
      ],
    })
  })

  test('may hold the option that another one needs', () => {
    const smoke = readFileOptions('f.yml', 'image: a/b\nnamespace: c\nsmoke-path: /healthz')
    expect(readOptions('deploy', { 'smoke-host': 'x' }, { file: smoke })).toMatchObject({
      is: 'read',
    })
  })
})

test.each([
  ['namepsace', 'namespace'],
  ['imag', 'image'],
  ['migrate-comand', 'migrate-command'],
  ['kubecontext', 'kube-context'],
  ['zzz', undefined],
  ['', undefined],
])('the closest name to %j is %s', (word, near) => {
  expect(closestMatch(word, ['image', 'namespace', 'kube-context', 'migrate-command'])).toBe(near)
})
