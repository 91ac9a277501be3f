import { expect, test } from '@jest/globals'
import { registryFindings } from '../../src/checks/registry.js'
import type { CommitLookup } from '../../src/docker/registry.js'

const tag = 'b'.repeat(40)
const there: CommitLookup = {
  is: 'there',
  image: { repository: 'ghcr.io/acme/shop', tag, digest: 'sha256:0' },
}
const absent: CommitLookup = { is: 'absent' }
const denied: CommitLookup = { is: 'denied', said: 'denied: denied' }

test.each<[string, string, CommitLookup, boolean, readonly string[], string]>([
  [
    'it is there',
    'ghcr.io/acme/shop',
    there,
    false,
    ['ok: ghcr.io has ghcr.io/acme/shop:bbbbbbbbbbbb already: it is not built again'],
    '',
  ],
  [
    'it is there, of another commit',
    'ghcr.io/acme/shop',
    { ...there, is: 'another', of: 'c'.repeat(40) },
    true,
    [
      'ok: ghcr.io has ghcr.io/acme/shop:bbbbbbbbbbbb of another commit (cccccccccccc): it is built again',
    ],
    '',
  ],
  [
    'it is there, of an unknown commit',
    'ghcr.io/acme/shop',
    { ...there, is: 'unlabelled' },
    true,
    [
      'error: ghcr.io has ghcr.io/acme/shop:bbbbbbbbbbbb already, without a label that names its commit',
    ],
    'roll that image out with "deploy"',
  ],
  [
    'it is not there yet',
    'ghcr.io/acme/shop',
    absent,
    true,
    ['ok: ghcr.io answers, and does not have ghcr.io/acme/shop:bbbbbbbbbbbb yet: it will be built'],
    '',
  ],
  [
    'a push would need a login',
    'ghcr.io/acme/shop',
    absent,
    false,
    [
      'ok: ghcr.io answers, and does not have ghcr.io/acme/shop:bbbbbbbbbbbb yet: it will be built',
      'warning: docker has no login for ghcr.io, which requires one for a push',
    ],
    'docker login ghcr.io',
  ],
  [
    'a registry of this machine',
    '127.0.0.1:5000/shop',
    absent,
    false,
    [
      'ok: 127.0.0.1:5000 answers, and does not have 127.0.0.1:5000/shop:bbbbbbbbbbbb yet: it will be built',
    ],
    '',
  ],
  [
    'denied without a login',
    'acme/shop',
    denied,
    false,
    ['error: docker.io denies acme/shop, and docker has no login there'],
    'docker login',
  ],
  [
    'denied with one',
    'ghcr.io/acme/shop',
    denied,
    true,
    [
      'warning: ghcr.io denies ghcr.io/acme/shop: normal before the first push to many registries, or this login may not read it (denied: denied)',
    ],
    'Log in with "docker login ghcr.io"',
  ],
  [
    'away',
    'ghcr.io/acme/shop',
    { is: 'unreachable', said: 'no such host' },
    true,
    ['error: ghcr.io does not answer: no such host'],
    'check the host name in "image"',
  ],
  [
    'another error',
    'ghcr.io/acme/shop',
    { is: 'failed', said: 'tls' },
    true,
    ['error: ghcr.io/acme/shop:bbbbbbbbbbbb could not be looked up: tls'],
    '',
  ],
])(
  'the finding about the registry is right when the answer is "%s"',
  (_, repository, lookup, login, says, mend) => {
    const found = registryFindings(repository, tag, { lookup, login })
    expect(found.map((one) => `${one.severity}: ${one.message}`)).toEqual(says)
    expect(found.at(-1)?.fix ?? '').toContain(mend)
  },
)
