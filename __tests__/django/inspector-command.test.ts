import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { inspectorSource } from '../../src/django/inspector.generated.js'
import { readPassed } from '../../src/django/inspector-log.js'
import { planCommand } from '../../src/django/inspector-command.js'

const marker = 'MARK42'

describe('the command of the plan', () => {
  const code = ['shell', '-v', '0', '-c', inspectorSource]
  const shell = (script: string): string[] => [
    '/bin/sh',
    '-c',
    expect.stringContaining(`} && ${script}`) as unknown as string,
    'sh',
    ...code,
  ]
  test.each([
    ['python manage.py migrate --noinput', ['python', 'manage.py', ...code]],
    ['', ['python', 'manage.py', ...code]],
    ['./migrate.sh', ['python', 'manage.py', ...code]],
    // It may bring an environment of its own, as pipenv does: what the container has is kept beside it.
    ['poetry run python3 src/manage.py  migrate', shell('poetry run python3 src/manage.py "$@"')],
    ['python manage.py migrate_schemas --shared', ['python', 'manage.py', ...code]],
    ['django-admin migrate', ['django-admin', ...code]],
    ['python -m django migrate', ['python', '-m', 'django', ...code]],
    ['exec python manage.py migrate', ['python', 'manage.py', ...code]],
    ['cd src && python manage.py migrate', shell('cd src && python manage.py "$@"')],
    ['DEBUG=1 python manage.py migrate', shell('DEBUG=1 python manage.py "$@"')],
    [
      'python manage.py wait_for_db && python manage.py migrate; echo done',
      ['python', 'manage.py', ...code],
    ],
    ['sh -c "python manage.py migrate"', ['python', 'manage.py', ...code]],
    [
      'python manage.py migrate --settings=shop.prod --pythonpath lib',
      [
        'python',
        'manage.py',
        'shell',
        '-v',
        '0',
        '--settings=shop.prod',
        '--pythonpath=lib',
        '-c',
        inspectorSource,
      ],
    ],
  ])('is built from %j', (command, expected) => {
    expect(planCommand(command)).toEqual(expected)
  })

  test('starts with the entrypoint of the web', () => {
    const wrapper = { words: ['doppler', 'run', '--'], isScript: false }
    const command = 'python manage.py migrate'
    const plain = ['python', 'manage.py', ...code]
    expect(planCommand(command, wrapper)).toEqual(['doppler', 'run', '--', ...plain])
    const script = { words: ['/entrypoint'], isScript: true }
    expect(planCommand(command, script, marker)).toEqual([
      '/bin/sh',
      '-c',
      expect.anything(),
      'sh',
      marker,
      '/entrypoint',
      ...plain,
    ])
    expect(planCommand(`/entrypoint ${command}`, script)).toEqual(
      planCommand(`/entrypoint ${command}`),
    )
  })
})

/** As a container's shell runs it, with a python that tells what it was given. */
describe('a script that starts the web', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starter-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  const run = (script: string | Buffer): string => {
    const put = (name: string, text: string | Buffer) => {
      writeFileSync(join(folder, name), text, { mode: 0o755 })
      return join(folder, name)
    }
    put('python', '#!/bin/sh\necho "$1 of $WHO"\n')
    const starter = { words: [put('entrypoint', script)], isScript: true }
    const [program = '', ...args] = planCommand('python manage.py migrate', starter, marker)
    const { PATH = '' } = process.env
    const env = { PATH: `${folder}:${PATH}` }
    return spawnSync(program, args, { env, encoding: 'utf8' }).stdout
  }
  const past = (why: string, who = '') => `MARK42{"past":"${why}"}MARK42\nmanage.py of ${who}\n`
  const noEnd = past('it does not end with exec "$@"')

  test.each([
    ['sets and hands over', '#!/bin/sh\nexport WHO=ada\nexec "$@"\n', 'manage.py of ada\n'],
    [
      'has no line end',
      '#!/bin/bash -e\n# migrate: no\nWHO=eve "$@" &&\nexport WHO=ada\n\nexec "$@"',
      /ada\n$/,
    ],
    [
      'makes an address of parts, waits for the database, and hands over',
      [
        '#!/bin/sh',
        'set -o errexit',
        'set -o nounset',
        'PART=ada',
        'if [ -n "$PART" ]; then',
        '    export WHO="postgres://${PART}:secret@db:5432/shop"',
        'fi',
        'python << END >/dev/null',
        'import time',
        'END',
        '',
        'exec "$@"',
        '',
      ].join('\n'),
      'manage.py of postgres://ada:secret@db:5432/shop\n',
    ],
    [
      'migrates: what it exports in plain lines is there',
      '#!/bin/sh\nexport WHO="a d"\n./x migrate\nexport WHO=$(touch ran)\nexec "$@"\n',
      past('it calls manage.py', 'a d'),
    ],
    [
      'starts the web by itself: the same',
      '#!/bin/sh\nexport A=a\nexport WHO=${A}d$A\nX=x\nexport WHO=$X\nexport WHO="\nexport WHO=eve; sleep 9\nexec gunicorn shop.wsgi\n',
      past('it does not end with exec "$@"', 'ada'),
    ],
    ['hands over under a condition', '#!/bin/sh\nif true; then\n  exec "$@"\nfi\nsleep 1\n', noEnd],
    ['starts the web', '#!/bin/sh\nexec gunicorn shop.wsgi "$@"\n', noEnd],
    ['is no script of a shell', '#!/usr/bin/env python\nexec "$@"\n', noEnd],
    ['is no text', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 10]), noEnd],
  ])('is handled rightly when it %s', (_, script, said) => {
    expect(run(script)).toEqual(said instanceof RegExp ? expect.stringMatching(said) : said)
  })

  test('is skipped with a reason', () => {
    const [line = ''] = noEnd.split('\n')
    expect(readPassed(line, marker)).toBe('it does not end with exec "$@"')
    expect(readPassed('migrate', marker)).toBeUndefined()
  })
})

test('the environment that is kept for the web has no needs of other versions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kept-'))
  writeFileSync(
    join(folder, 'poetry'),
    '#!/bin/sh\nprintf "%s\\n" "$DJANGO_ROLLOUT_ENV" "$DJANGO_ROLLOUT_NEEDS_0"\n',
    { mode: 0o755 },
  )
  const [program = '', ...args] = planCommand('poetry run python manage.py migrate')
  const { PATH = '' } = process.env
  const env = { PATH: `${folder}:${PATH}`, WHO: 'ada', DJANGO_ROLLOUT_NEEDS_0: 'bmVl' }
  const { stdout } = spawnSync(program, args, { env, encoding: 'utf8' })
  expect(stdout).toMatch(/WHO='?"?ada/)
  expect(stdout.match(/bmVl/g)).toHaveLength(1)
  rmSync(folder, { recursive: true })
})
