import { describe, expect, test } from '@jest/globals'
import {
  assignments,
  duration,
  graces,
  hostName,
  imageRepository,
  imageTag,
  imageTags,
  lines,
  objectName,
  platforms,
  Problem,
  quantities,
  secretAssignments,
  signatureChecks,
  someTime,
  testServices,
  urlPath,
  webAddress,
  words,
} from '../../src/options/readers.js'

const minute = 60_000

test.each([
  ['90s', 90_000],
  ['10m', 10 * minute],
  ['1m30s', 90_000],
  ['2h', 120 * minute],
  ['1.5h', 90 * minute],
  ['250ms', 250],
  ['0', 0],
  ['0s', 0],
  ['168h', 7 * 24 * 60 * minute],
])('the duration %s is %i ms', (text, ms) => {
  expect(duration(text)).toBe(ms)
})

test.each(['10', '', '-5s', '10 m', '10min', 'm', '1m,30s', '5S', 'soon'])(
  '%j is rejected as a duration',
  (text) => {
    expect(duration(text)).toEqual(new Problem('is not a duration; write it as 90s, 10m or 1m30s'))
  },
)

// Timers hold 2^31 ms: what is longer would end at once.
test.each(['169h', '9999h', '604801s'])('the duration %s is rejected as too long', (text) => {
  expect(duration(text)).toEqual(new Problem('is longer than 168h (a week)'))
})

test('a limit of zero is rejected, because it would end everything at once', () => {
  expect(someTime('0')).toEqual(new Problem('is zero; remove the option to use the default'))
  expect(someTime('1ms')).toBe(1)
  expect(someTime('soon')).toBeInstanceOf(Problem)
})

describe('the option "image"', () => {
  test.each([
    'shop',
    'my_shop',
    'acme/shop',
    'ghcr.io/acme/shop',
    'ghcr.io/acme/team/shop_web-1.x',
    'localhost:5000/shop',
    'registry.example:5000/acme/shop',
  ])('takes %s', (name) => {
    expect(imageRepository(name)).toBe(name)
  })

  test.each([
    'shop:1.4',
    'ghcr.io/acme/shop:latest',
    'localhost:5000/shop:1',
    'ghcr.io/acme/shop@sha256:0123',
    'shop:1@sha256:0123',
  ])('rejects %s because of its tag or digest', (name) => {
    expect(imageRepository(name)).toEqual(
      new Problem('must have no tag and no digest; set the tag with "tag"'),
    )
  })

  test.each([
    '',
    'ghcr.io/Acme/shop',
    'ghcr.io/acme/shop/',
    '/shop',
    'ghcr.io//shop',
    'https://ghcr.io/acme/shop',
    'acme shop',
    'shop\n',
    'acme/shop;rm',
    '$(id)',
  ])('rejects %j', (name) => {
    expect(imageRepository(name)).toEqual(
      new Problem('is not the name of an image (only lowercase letters, digits, and . _ - /)'),
    )
  })
})

test.each([
  ['4f2c1d9', true],
  ['1.4.0-rc.1', true],
  ['_x', true],
  ['V1', true],
  ['a'.repeat(128), true],
  ['a'.repeat(129), false],
  ['', false],
  ['-x', false],
  ['.x', false],
  ['a/b', false],
  ['a b', false],
  ['v1+2', false],
  ['v1\n', false],
])('%j is a valid tag: %s', (text, is) => {
  expect(imageTag(text)).toEqual(is ? text : expect.any(Problem))
})

test.each([
  ['shop', true],
  ['shop-2', true],
  ['2', true],
  ['a'.repeat(63), true],
  ['a'.repeat(64), false],
  ['', false],
  ['Shop', false],
  ['-shop', false],
  ['shop-', false],
  ['shop.web', false],
  ['shop_web', false],
  ['shop\n', false],
])('%j is a valid name in Kubernetes: %s', (text, is) => {
  expect(objectName(text)).toEqual(is ? text : expect.any(Problem))
})

test('words are split at commas, blanks and line ends, and lines keep their blanks', () => {
  expect(words(' a, b\nc,,d ')).toEqual(['a', 'b', 'c', 'd'])
  expect(words('')).toEqual([])
  expect(lines(' a b \n\n\tc\r\n')).toEqual(['a b', 'c'])
  expect(lines('')).toEqual([])
})

test('a wrong tag among several is named', () => {
  expect(imageTags('latest, main')).toEqual(['latest', 'main'])
  expect(imageTags('')).toEqual([])
  expect(imageTags('latest a/b')).toEqual(
    new Problem('has "a/b", which is not a tag (only letters, digits, and . _ -, at most 128)'),
  )
})

test('platforms are those of Linux, with the processor in the words of Kubernetes', () => {
  expect(platforms('linux/amd64, linux/arm/v7')).toEqual(['linux/amd64', 'linux/arm/v7'])
  for (const wrong of ['linux/amd46', 'arm64', 'linux/aarch64', 'windows/amd64', 'linux/arm64/8']) {
    expect(platforms(`linux/amd64 ${wrong}`)).toEqual(
      new Problem(
        `has "${wrong}", which is not a platform such as linux/amd64, linux/arm64 or linux/arm/v7`,
      ),
    )
  }
})

describe('a list of assignments', () => {
  test.each([
    ['', {}],
    ['A=1', { A: '1' }],
    ['A=1\nB=two words\n', { A: '1', B: 'two words' }],
    ['URL=postgres://u:p@db/x?a=b', { URL: 'postgres://u:p@db/x?a=b' }],
    ['EMPTY=', { EMPTY: '' }],
    ['A=1\nA=2', { A: '2' }],
    ['  A=1\r\n\r\n  B=2', { A: '1', B: '2' }],
  ])('is read from %j', (text, pairs) => {
    expect(assignments(text)).toEqual(pairs)
  })

  // The line may hold a secret: it is told by its number.
  test.each([
    ['SECRET_KEY s3cr3t', 1],
    ['=s3cr3t', 1],
    ['A=1\n\ns3cr3t', 3],
    ['A = s3cr3t', 1],
    ['A: s3cr3t=', 1],
  ])('is rejected by its line, without its text: %j at line %i', (text, line) => {
    expect(assignments(text)).toEqual(
      new Problem(`is not of the form NAME=value in line ${line}, without spaces in NAME`),
    )
  })
})

describe('a list of secrets', () => {
  test.each([
    ['', {}],
    ['TOKEN=s3cr3t', { TOKEN: 's3cr3t' }],
    ['TOKEN=a=b \n\n  npm.rc\r\n', { TOKEN: 'a=b', 'npm.rc': undefined }],
    ['EMPTY=', { EMPTY: '' }],
  ])('is read from %j', (text, pairs) => {
    expect(secretAssignments(text)).toEqual(pairs)
  })

  test.each([
    ['two words', 1],
    ['A=1\n=s3cr3t', 2],
    ['a,b=s3cr3t', 1],
    ['KEY=-----BEGIN\nMIIE/s3cr3t==', 2],
  ])('is rejected by its line, without its text: %j at line %i', (text, line) => {
    expect(secretAssignments(text)).toEqual(
      new Problem(
        `is not of the form NAME=value or NAME in line ${line}, with letters, digits, and . _ - in NAME`,
      ),
    )
  })
})

describe('resources', () => {
  test.each([
    ['', {}],
    ['cpu=100m', { cpu: '100m' }],
    ['cpu=.5, memory=1.5Gi', { cpu: '.5', memory: '1.5Gi' }],
    [
      'requests.cpu=1\nlimits.memory=2e9 nvidia.com/gpu=0',
      { 'requests.cpu': '1', 'limits.memory': '2e9', 'nvidia.com/gpu': '0' },
    ],
  ])('are read from %j', (text, expected) => {
    expect(quantities(text)).toEqual(expected)
  })

  test.each([
    'cpu',
    'cpu=',
    'cpu=-1',
    'cpu=100 m',
    'mem=1Gi',
    'memory=1GB',
    'limit.cpu=1',
    'cpu=1=2',
  ])('are rejected with the form that they have: %j', (text) => {
    const [wrong = ''] = text.split(' ').filter((word) => word !== 'cpu=100')
    expect(quantities(text)).toEqual(
      new Problem(
        `has "${wrong}", which is not of the form cpu=100m, memory=256Mi or limits.memory=1Gi`,
      ),
    )
  })
})

describe('the option "test-services"', () => {
  const digest = `sha256:${'0'.repeat(64)}`

  test.each<
    [
      string,
      readonly (readonly [
        name: string,
        image: string,
        kind?: string | undefined,
        health?: string,
      ])[],
    ]
  >([
    ['', []],
    [
      'postgres, mysql\nmariadb redis',
      [
        ['postgres', 'postgres:17', 'postgres'],
        ['mysql', 'mysql:8.4', 'mysql'],
        ['mariadb', 'mariadb:11.8', 'mariadb'],
        ['redis', 'redis:8', 'redis'],
      ],
    ],
    [
      'postgres:15 redis:7-alpine',
      [
        ['postgres', 'postgres:15', 'postgres'],
        ['redis', 'redis:7-alpine', 'redis'],
      ],
    ],
    [`postgres:15@${digest}`, [['postgres', `postgres:15@${digest}`, 'postgres']]],
    [`postgres@${digest}`, [['postgres', `postgres@${digest}`, 'postgres']]],
    ['postgres=postgis/postgis:17-3.5', [['postgres', 'postgis/postgis:17-3.5', 'postgres']]],
    ['db=postgres', [['db', 'postgres:17', 'postgres']]],
    [
      'db=mirror.example:5000/library/mariadb@' + digest,
      [['db', `mirror.example:5000/library/mariadb@${digest}`, 'mariadb']],
    ],
    ['cache=localhost:5000/redis', [['cache', 'localhost:5000/redis', 'redis']]],
    ['mysql=mariadb:10', [['mysql', 'mariadb:10', 'mysql']]],
    ['mail=axllent/mailpit:v1.27', [['mail', 'axllent/mailpit:v1.27']]],
    [
      'redis\nsearch=opensearch:2 -- curl -f, "x"  -- y\n postgres -- true ',
      [
        ['redis', 'redis:8', 'redis'],
        ['search', 'opensearch:2', undefined, 'curl -f, "x"  -- y'],
        ['postgres', 'postgres:17', 'postgres', 'true'],
      ],
    ],
  ])('is read from %j', (text, services) => {
    expect(testServices(text)).toEqual(
      services.map(([name, image, kind, health]) => ({
        name,
        image,
        kind,
        ...(health !== undefined && { health }),
      })),
    )
  })

  const form =
    'which is neither postgres, mysql, mariadb or redis, with a version or without, nor NAME=IMAGE with a NAME of lowercase letters, digits and -'
  test.each([
    ['postgers', `has "postgers", ${form}`],
    ['redis postgis/postgis:17-3.5', `has "postgis/postgis:17-3.5", ${form}`],
    ['postgres:', `has "postgres:", ${form}`],
    ['constructor', `has "constructor", ${form}`],
    ['my_db=postgres', `has "my_db=postgres", ${form}`],
    ['db=Postgres:15', `has "db=Postgres:15", ${form}`],
    ['db=', `has "db=", ${form}`],
    ['search=opensearch:2 --', `has "--", ${form}`],
    ['a=b:1 curl -f localhost', `has "curl", ${form}`],
    ['a=b:1 redis -- true', 'has 2 services before "-- true"; it takes one there'],
    ['-- true', `has "--", ${form}`],
    ['postgres postgres:15', 'has two services with the name "postgres"; write NAME=IMAGE'],
  ])('is rejected for %j: it %s', (text, problem) => {
    expect(testServices(text)).toEqual(new Problem(problem))
  })
})

describe('the option "grace"', () => {
  const read = graces('Crash', 'NotReady')

  test.each([
    ['', {}],
    ['Crash=10s', { Crash: 10_000 }],
    ['crash=0, NOTREADY=2m', { Crash: 0, NotReady: 120_000 }],
    ['Crash=1s\nCrash=2s', { Crash: 2_000 }],
  ])('is read from %j', (text, found) => {
    expect(read(text)).toEqual(found)
  })

  test.each([
    ['Crush=10s', 'has "Crush"; it takes Crash, NotReady'],
    ['Crash', 'has "Crash", which is not of the form symptom=duration'],
    ['Crash=', 'has "Crash=", which is not of the form symptom=duration'],
    ['Crash=10', 'has "Crash=10", which is not of the form symptom=duration'],
    ['Crash=10s=1s', 'has "Crash=10s=1s", which is not of the form symptom=duration'],
    ['constructor=1s', 'has "constructor"; it takes Crash, NotReady'],
  ])('is rejected for %j: it %s', (text, problem) => {
    expect(read(text)).toEqual(new Problem(problem))
  })
})

test.each([
  ['/', true],
  ['/healthz?full=1&x=%20', true],
  ['healthz', false],
  ['https://shop.example.com/', false],
  ['/a b', false],
  ['/a#b', false],
  ['/größe', false],
  ['/a\u0000', false],
  ['/a\nHost: x', false],
])('%j is a valid path: %s', (text, is) => {
  expect(urlPath(text)).toEqual(is ? text : expect.any(Problem))
})

test.each([
  ['shop.example.com', true],
  ['Shop.example.com:8000', true],
  ['my_shop', true],
  ['10.0.0.1', true],
  ['[::1]:8000', true],
  ['https://shop.example.com', false],
  ['shop.example.com/', false],
  ['shop.example.com:port', false],
  ['a b', false],
  ['größe.example', false],
  ['a\nX-Other: b', false],
])('%j is a valid host: %s', (text, is) => {
  expect(hostName(text)).toEqual(is ? text : expect.any(Problem))
})

test.each([
  ['https://hooks.slack.example/services/T0/B0/x', true],
  ['http://chat.internal:8065/hooks/a?b=c', true],
  ['https://shop.example.com', true],
  ['  https://shop.example.com\n', true],
  ['hooks.slack.example/x', false],
  ['ftp://shop.example.com', false],
  ['https://', false],
  ['https:///x', false],
  ['https://a b', false],
])('%j is a valid address on the web: %s', (text, is) => {
  expect(webAddress(text)).toEqual(is ? text.trim() : expect.any(Problem))
})

describe('the option "verify-signature"', () => {
  const workflow = 'acme/ci/.github/workflows/image.yml'
  const issuer = 'https://token.actions.githubusercontent.com'
  test.each<[string, readonly object[]]>([
    ['', []],
    ['key=cosign.pub', [{ is: 'key', key: 'cosign.pub', log: 'required' }]],
    [
      'key=k8s://shop/cosign tlog=ignore',
      [{ is: 'key', key: 'k8s://shop/cosign', log: 'ignored' }],
    ],
    [
      `identity=https://github.com/acme/shop/* issuer=${issuer}`,
      [{ is: 'identity', identity: 'https://github.com/acme/shop/*', issuer }],
    ],
    ['github=acme', [{ is: 'attestation', by: 'acme' }]],
    [
      `key=a.pub\n  github=acme/shop   workflow=${workflow}`,
      [
        { is: 'key', key: 'a.pub', log: 'required' },
        { is: 'attestation', by: 'acme/shop', workflow },
      ],
    ],
  ])('reads %j', (text, checks) => {
    expect(signatureChecks(text)).toEqual(checks)
  })

  test.each([
    'cosign.pub',
    'key=',
    'key=a b',
    'identity=ada@example.com',
    'identity=ada@example.com issuer=example.com',
    'identity=ada@example.com issuer=https://example.com tlog=ignore',
    'github=acme/shop/main',
    'github=acme/shop workflow=image.yml',
    'KEY=a.pub',
  ])('rejects %j', (text) => {
    expect(signatureChecks(`key=a.pub\n${text}`)).toEqual(
      new Problem(
        `has "${text}", which is none of key=FILE, identity=IDENTITY issuer=URL, and github=OWNER/REPOSITORY`,
      ),
    )
  })
})
