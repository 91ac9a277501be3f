import { describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { buildCause } from '../../src/docker/build.js'
import { BuildLog, lineOf } from '../../src/docker/build-log.js'

/** What a real build wrote (with BuildKit 0.8 of engine 20.10, or 0.26), as it came. */
function output(name: string): string[] {
  const path = new URL(`outputs/buildkit-${name}.txt`, import.meta.url)
  return readFileSync(path, 'utf8').trimEnd().split('\n')
}

const dockerfile = `ARG PYTHON_IMAGE=python:3.13-slim

FROM \${PYTHON_IMAGE} AS builder
COPY requirements.txt .
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM \${PYTHON_IMAGE}
COPY nope ./x
RUN echo one && \\
    # in between
    python -c "import nope" && \\
    echo two
`

function causeOf(name: string) {
  const log = new BuildLog()
  for (const line of output(name)) log.read(line)
  return buildCause('./backend/Dockerfile', log.failure(), dockerfile)
}

describe('a failed build', () => {
  const pip =
    'RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt'
  const multi = 'RUN echo one && python -c "import nope" && echo two'
  test.each([
    [
      '0.26-pip',
      `"${pip}" (backend/Dockerfile:5) failed: No matching distribution found for Django==99.9`,
    ],
    [
      '0.8-pip',
      `"${pip}" (backend/Dockerfile:5) failed: No matching distribution found for Django==99.9`,
    ],
    ['0.26-copy', '"COPY nope ./x" (backend/Dockerfile:12) failed: "/nope": not found'],
    ['0.8-copy', '"COPY nope ./x" (backend/Dockerfile:8) failed: "/nope" not found: not found'],
    [
      '0.26-parse',
      '"USEER 10001" (backend/Dockerfile:15) failed: unknown instruction: USEER (did you mean USER?)',
    ],
    // A cache that is not there yet is no failure: BuildKit builds on.
    ['0.8-cache', '"RUN false" (backend/Dockerfile) failed: exit code: 1'],
    ['0.8-parse', 'backend/Dockerfile:15: unknown instruction: USEER'],
    [
      '0.26-base',
      '"FROM ${PYTHON_IMAGE} AS builder" (backend/Dockerfile:3) failed: 127.0.0.1:5000/library/python:9.99: not found',
    ],
    [
      '0.8-base',
      '"FROM 127.0.0.1:5000/library/python:9.99" (backend/Dockerfile:3) failed: 127.0.0.1:5000/library/python:9.99: not found',
    ],
    ['0.26-target', 'backend/Dockerfile: target stage "nope" could not be found'],
    ['0.8-target', 'backend/Dockerfile: target stage nope could not be found'],
    [
      '0.26-multi',
      `"${multi}" (backend/Dockerfile:3) failed: ModuleNotFoundError: No module named 'nope'`,
    ],
    [
      '0.8-multi',
      `"${multi}" (backend/Dockerfile:9) failed: ModuleNotFoundError: No module named 'nope'`,
    ],
  ])('has its instruction and last message as the cause: %s', (name, sentence) => {
    expect(causeOf(name)).toMatchObject({ code: 'build-failed', sentence: `build: ${sentence}` })
  })

  test('has the output of the failed step as its log, and its annotation on the line of the step', () => {
    expect(causeOf('0.26-multi')).toMatchObject({
      logs: [
        {
          lines: [
            'one',
            'Traceback (most recent call last):',
            '  File "<string>", line 1, in <module>',
            '    import nope',
            "ModuleNotFoundError: No module named 'nope'",
          ],
        },
      ],
      annotations: [{ file: 'backend/Dockerfile', line: 3 }],
    })
  })

  test('has the excerpt of the Dockerfile as its log when the step wrote nothing', () => {
    expect(causeOf('0.26-copy').logs?.[0]?.lines).toContain('  12 | >>> COPY nope ./x')
  })

  test.each([
    [
      '#5 [internal] load build context',
      'write /var/lib/docker/overlay2/rm4t/diff/big: no space left on device',
      'build: the disk of the Docker engine is full: write /var/lib/docker/overlay2/rm4t/diff/big: no space left on device',
      'Free disk space: docker system prune',
    ],
    [
      '#5 [2/2] RUN dd if=/dev/zero of=/big',
      "dd: error writing '/big': No space left on device",
      `build: "RUN dd if=/dev/zero of=/big" (Dockerfile:2) failed: dd: error writing '/big': No space left on device`,
      'Free disk space: docker system prune',
    ],
    [
      '#3 [internal] load metadata for docker.io/library/python:gone',
      'docker.io/library/python:gone: not found',
      'build: "FROM python:gone" (Dockerfile:1) failed: docker.io/library/python:gone: not found',
      'Check the name and tag of the base image, and that this machine may pull it',
    ],
  ])('has a hint: %s', (step, error, sentence, hint) => {
    const log = new BuildLog()
    for (const line of [step, `${step.slice(0, 2)} ERROR: ${error}`]) log.read(line)
    const text = 'FROM python:$TAG\nRUN dd if=/dev/zero of=/big\n'
    expect(buildCause('Dockerfile', log.failure(), text)).toMatchObject({ sentence, hint })
  })

  test('has its last message as the cause when the words are not BuildKit’s', () => {
    const log = new BuildLog()
    log.read('something else entirely')
    expect(buildCause('Dockerfile', log.failure())).toMatchObject({
      sentence: 'build: Dockerfile: something else entirely',
      logs: [{ lines: ['something else entirely'] }],
      annotations: [],
    })
  })
})

describe('the log of a build', () => {
  const shown = (lines: readonly string[]) => {
    const log = new BuildLog()
    return lines.filter((line) => log.read(line))
  }

  test('shows its steps, their output and the long seconds, but not BuildKit’s own progress', () => {
    const lines = shown(output('0.8-ok'))
    expect(lines.slice(0, 6)).toEqual([
      '#4 [builder 1/3] FROM docker.io/library/python:3.13-slim',
      '#4 CACHED',
      '#6 [builder 2/3] COPY requirements.txt .',
      '#7 [builder 3/3] RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt',
      '#8 [stage-1 2/5] RUN useradd --uid 10001 --no-create-home shop',
      '#9 [stage-1 3/5] WORKDIR /app',
    ])
    expect(lines).toContain('#7 DONE 5.0s')
    expect(lines.join('\n')).not.toMatch(/exporting|transferring|DONE 0|internal/)
  })

  test('shows each line of a failure once', () => {
    const lines = shown(output('0.26-multi')).filter((line) => line.includes('ModuleNotFoundError'))
    expect(lines).toEqual(["#6 0.182 ModuleNotFoundError: No module named 'nope'"])
  })

  test('does not show each layer and each package', () => {
    const noise = [
      '#4 [1/2] FROM docker.io/library/python:3.13-slim',
      '#4 resolve docker.io/library/python:3.13-slim 0.4s done',
      '#4 sha256:3da95a905ed546f99c4564407923a681757d89651a388ec3f1f5e9bf5ed0b39d 0B / 29.15MB 0.2s',
      '#4 extracting sha256:3da95a905ed546f99c4564407923a681757d89651a388ec3f1f5e9bf5ed0b39d 2.1s',
      '#5 [2/2] RUN apt-get update',
      '#5 0.412 Get:1 http://mirror.example.org/debian trixie InRelease [140 kB]',
      '#5 1.2 Selecting previously unselected package libpq5:amd64.',
      '#5 1.3 Fetched 10 MB',
      '#5 1.4 ',
    ]
    expect(shown(noise)).toEqual([noise[0], noise[4], noise[7]])
  })
})

describe('the line of an instruction in the Dockerfile', () => {
  test.each([
    ['COPY requirements.txt .', 4],
    ['RUN echo one &&     python -c "import nope" &&     echo two', 9],
    // Twice: the first needs it first.
    ['FROM ${PYTHON_IMAGE}', 3],
    ['FROM python:3.13-slim', 3],
    ['COPY other .', undefined],
  ])('is found: %s is on line %s', (instruction, line) => {
    expect(lineOf(instruction, dockerfile)).toBe(line)
  })

  test.each([
    ['RUN pip install shop[dev]', 2],
    ['RUN pip install other', 3],
    ['FROM python:3', 1],
    // Either ARG may be it.
    ['COPY a /a', undefined],
  ])('is found where an ARG was substituted: %s is on line %s', (instruction, line) => {
    const text = `FROM \${BASE:-python:3} AS base
RUN pip install shop$EXTRAS
RUN pip install other
COPY $A /a
COPY $B /a
FROM python:3.13-slim`
    expect(lineOf(instruction, text)).toBe(line)
  })
})

describe('the instructions of a build', () => {
  const own = '#1 [internal] load build definition'
  test.each<[string, readonly string[], boolean]>([
    ['were all cached', [own, '#5 [2/3] RUN make', '#5 CACHED', '#6 [3/3] COPY . .'], true],
    ['ran, one of them', ['#5 [2/4] RUN a', '#5 CACHED', '#6 [3/4] RUN b', '#6 DONE 0.2s'], false],
    ['are none', [own, '#6 [2/2] COPY . .', '#6 CACHED'], false],
  ])('%s', (_, lines, isCached) => {
    const log = new BuildLog()
    lines.forEach((line) => log.read(line))
    expect(log.isCached).toBe(isCached)
  })
})
