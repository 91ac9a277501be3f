import { describe, expect, test } from '@jest/globals'
import { engineCause } from '../../src/docker/client.js'
import { duration, plain, shortened, errorLine } from '../../src/docker/text.js'

// As docker 20.10, 28.2 and 29 write them.
describe('it is known whether docker works at all', () => {
  test.each([
    [127, 'docker was not found on PATH', 'docker was not found'],
    [
      125,
      "unknown flag: --load\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n\nRun 'docker --help' for more information",
      'docker buildx was not found',
    ],
    [125, "unknown flag: --load\nSee 'docker --help'.", 'docker buildx was not found'],
    [1, 'docker: unknown command: docker buildx', 'docker buildx was not found'],
    [
      1,
      "docker: 'buildx' is not a docker command.\nSee 'docker --help'",
      'docker buildx was not found',
    ],
    [
      1,
      'ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
      'no Docker engine answers at unix:///var/run/docker.sock',
    ],
    [
      1,
      'failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory',
      'no Docker engine answers at unix:///var/run/docker.sock',
    ],
    [
      1,
      'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Post "http://%2Fvar%2Frun%2Fdocker.sock/v1.50/images/a/push?tag=b": dial unix /var/run/docker.sock: connect: permission denied',
      "no permission for the Docker engine's socket at unix:///var/run/docker.sock",
    ],
    [
      1,
      'ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF',
      'the Docker engine ended meanwhile',
    ],
    [
      1,
      'ERROR: failed to solve: Unavailable: error reading from server: EOF',
      'the Docker engine ended meanwhile',
    ],
    [
      125,
      'time="2026-01-01T00:00:00Z" level=error msg="error waiting for container: unexpected EOF"',
      'the Docker engine ended meanwhile',
    ],
  ])('which it does not when it exits with %d: %s', (code, stderr, sentence) => {
    expect(engineCause('build', { code, stdout: '', stderr })).toMatchObject({
      code: 'tool-missing',
      sentence: `build: ${sentence}`,
    })
  })

  test.each([
    [127, '/bin/sh: 1: pytest: not found'],
    [125, 'unknown flag: --nope\n\nUsage:  docker buildx build [OPTIONS] PATH | URL | -\n'],
    [1, 'ERROR: failed to solve: permission denied'],
  ])('which it does when a command of the user exits with %d: %s', (code, stderr) => {
    expect(engineCause('build', { code, stdout: '', stderr })).toBeUndefined()
  })
})

describe('the line of the output that explains a failure', () => {
  test.each([
    ['the last that speaks of an error', ['ERROR: one', 'Error: two', 'Cleaning up'], 'two'],
    ['the last, when none does', ['one', 'two', ''], 'two'],
    [
      'not pip’s notice',
      ['ERROR: No matching distribution', '[notice] A new release of pip'],
      'No matching distribution',
    ],
    ['not make’s echo', ['main.c:3: undefined', 'make: *** [all] Error 1'], 'main.c:3: undefined'],
    ['without colours', ['\u001b[31mfatal: x\u001b[0m'], 'fatal: x'],
    ['nothing', [], ''],
  ])('is chosen: %s', (_, lines, line) => {
    expect(errorLine(lines)).toBe(line)
  })

  test('has no control character', () => {
    expect(plain('\u001b]0;title\u0007a\u0000\u001b[1;31mb\u001b[K\tc\r')).toBe('ab\tc')
    expect(shortened('abcdef', 4)).toBe('abc…')
  })
})

test.each([
  [800, '0.8 s'],
  [3_000, '3 s'],
  [45_400, '45 s'],
  [20 * 60_000, '20 min'],
  [90 * 60_000, '90 min'],
  [150 * 60_000, '2 h 30 min'],
])('a time of %d ms is written as %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})
