import { describe, expect, test } from '@jest/globals'
import { skewFindings, toolFindings, type Answers, type Need } from '../../src/checks/tools.js'
import type { Finished } from '../../src/platform/platform.js'

const ok = (stdout: string): Finished => ({ code: 0, stdout, stderr: '' })
const no = (code: number, stderr: string, stdout = ''): Finished => ({ code, stdout, stderr })
const client = { Client: { Version: '28.2.2' } }
const good: Answers = {
  git: ok('git version 2.39.5\n'),
  docker: ok(JSON.stringify({ ...client, Server: { Version: '27.1.0' } })),
  buildx: ok('github.com/docker/buildx v0.13.1 788433953\n'),
  kubectl: ok(JSON.stringify({ clientVersion: { gitVersion: 'v1.34.4' } })),
}
const usual: Need = { builds: true, known: true, fetches: false }
const { kubectl: _, ...withoutKubectl } = good

test('all tools are reported with their versions', () => {
  expect(
    toolFindings(good, usual).map(({ severity, message }) => `${severity}: ${message}`),
  ).toEqual([
    'ok: git 2.39.5',
    'ok: docker 28.2.2, engine 27.1.0',
    'ok: docker buildx v0.13.1',
    'ok: kubectl v1.34.4',
  ])
})

const noEngine = no(
  1,
  'Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?',
  JSON.stringify({ ...client, Server: null }),
)

describe('a missing or broken tool is reported rightly', () => {
  test.each<[string, Answers, Partial<Need>, readonly object[]]>([
    [
      'no git, a tag is given',
      { ...good, git: no(127, '') },
      {},
      [
        {
          severity: 'warning',
          message: 'git was not found, so a newer live commit cannot be detected',
        },
      ],
    ],
    [
      'no git, and so no commit',
      { ...good, git: no(127, '') },
      { known: false },
      [{ severity: 'error', message: 'git was not found, so the commit is not known' }],
    ],
    [
      'no docker: nothing is said of buildx',
      { ...good, docker: no(127, 'docker was not found'), buildx: no(127, 'docker was not found') },
      {},
      [{ severity: 'error', message: 'docker was not found' }],
    ],
    [
      'no engine',
      { ...good, docker: noEngine },
      {},
      [
        {
          severity: 'error',
          message: 'no Docker engine answers at unix:///run/docker.sock',
          fix: 'Start the engine, or set DOCKER_HOST',
        },
      ],
    ],
    [
      'no engine, where nothing is built',
      { ...good, docker: noEngine },
      { builds: false },
      [{ severity: 'warning', message: 'no Docker engine answers at unix:///run/docker.sock' }],
    ],
    [
      'an engine that hangs',
      { ...good, docker: no(1, 'no answer within 10 s') },
      {},
      [{ severity: 'error', message: 'no answer within 10 s' }],
    ],
    [
      'no buildx',
      { ...good, buildx: no(1, "docker: 'buildx' is not a docker command.") },
      {},
      [
        {
          severity: 'error',
          message: 'docker buildx was not found',
          fix: 'Install the package docker-buildx-plugin',
        },
      ],
    ],
    ['no kubectl', withoutKubectl, {}, [{ severity: 'error', message: 'kubectl is not on PATH' }]],
    ['no kubectl on a runner', withoutKubectl, { fetches: true }, [{ severity: 'warning' }]],
  ])('when there is %s', (_, answers, need, expected) => {
    const found = toolFindings(answers, { ...usual, ...need })
    expect(found.filter(({ severity }) => severity !== 'ok')).toMatchObject(expected)
  })
})

test.each([
  ['v1.34.4', 'v1.34.1', []],
  ['v1.33.0', 'v1.34.4', []],
  ['v1.35.0', 'v1.34.4-gke.1', []],
  [
    'v1.32.0',
    'v1.34.4',
    ['kubectl v1.32.0 is 2 minor versions from the server’s v1.34.4; Kubernetes supports one'],
  ],
  ['', 'v1.34.4', []],
  ['v1.32.4-dispatcher', 'v1.34.4', []],
])(
  'the difference between kubectl %s and a server %s is judged rightly',
  (client, server, expected) => {
    expect(skewFindings(client, server).map(({ message }) => message)).toEqual(expected)
  },
)
