import { expect, test } from '@jest/globals'
import type { Starter } from '../../src/django/inspector-command.js'
import { launchOf, type ImageCommand } from '../../src/django/launch.js'

const image = (entrypoint: readonly string[], cmd: readonly string[] = []): ImageCommand => ({
  entrypoint,
  cmd,
})
const script = (word: string): Starter => ({ words: [word], isScript: true })
const wrapper = (...words: readonly string[]): Starter => ({ words, isScript: false })
const server = ['gunicorn', 'shop.wsgi']

type Row = [string, object, ImageCommand | undefined, readonly string[], Starter | undefined]

const shells = [
  ['a condition', '[ "$ENV" = staging ] && export A=b; exec gunicorn shop.wsgi'],
  ['a condition of more lines', 'if [ -n "$X" ]; then\nexport A=b\nfi\nexec gunicorn shop.wsgi'],
  ['what comes behind a program', 'wait-for db && export A=b && exec gunicorn shop.wsgi'],
  ['a cut within quotes', 'export A="b;c" && exec gunicorn shop.wsgi'],
  ['a cut within a command', 'export A=$(cat a && cat b) && exec gunicorn shop.wsgi'],
  ['a line that goes on', 'export A=b \\\nC=d; exec gunicorn shop.wsgi'],
  ['a way out', 'export A=b || exit 1; exec gunicorn shop.wsgi'],
  ['what begins with a condition', 'set -e; [ "$X" ] && export A=b', undefined],
  [
    'only what it begins with',
    'set -e; export A="$(cat a)"; [ "$X" ] && export C=d; B=c gunicorn x',
    'export A="$(cat a)"',
  ],
].map(([name = '', script = '', taken]): Row => {
  const words = ['sh', '-c', script]
  const starter =
    taken === undefined ? undefined : wrapper('sh', '-c', `${taken} && exec "$@"`, 'sh')
  return [`a shell: ${name}`, { command: words }, undefined, words, starter]
})

test.each<Row>([
  ['the image’s command', {}, image([], server), server, undefined],
  ['an image that is not known', {}, undefined, [], undefined],
  ['arguments alone', { args: server }, image(['/entry']), ['/entry', ...server], script('/entry')],
  [
    'the image’s arguments',
    {},
    image(['/entry'], ['/start']),
    ['/entry', '/start'],
    script('/entry'),
  ],
  [
    'a command, which puts both aside',
    { command: server },
    image(['/entry'], ['/x']),
    server,
    undefined,
  ],
  [
    'a script in the command',
    { command: ['/entry'], args: server },
    undefined,
    ['/entry', ...server],
    script('/entry'),
  ],
  [
    'the same in one',
    { command: ['./entry.sh', ...server] },
    undefined,
    ['./entry.sh', ...server],
    script('./entry.sh'),
  ],
  ['a script that is all', { command: ['/start'] }, undefined, ['/start'], script('/start')],
  [
    'a shell that exports',
    { command: ['/bin/bash', '-lc', 'cd src && export A="b c"; C=d exec gunicorn shop.wsgi'] },
    undefined,
    ['/bin/bash', '-lc', 'cd src && export A="b c"; C=d exec gunicorn shop.wsgi'],
    wrapper('/bin/bash', '-lc', 'export A="b c" && export C=d && exec "$@"', 'sh'),
  ],
  ...shells,
  [
    'a program that is installed',
    { command: ['ddtrace-run', ...server] },
    undefined,
    ['ddtrace-run', ...server],
    undefined,
  ],
  [
    'an entrypoint that is the server',
    {},
    image(server, ['--bind=:8000']),
    [...server, '--bind=:8000'],
    undefined,
  ],
  [
    'one that is an interpreter',
    { args: ['manage.py', 'runserver'] },
    image(['python']),
    ['python', 'manage.py', 'runserver'],
    undefined,
  ],
  [
    'a shell',
    { command: ['/bin/sh', '-c', 'exec gunicorn shop.wsgi'] },
    undefined,
    ['/bin/sh', '-c', 'exec gunicorn shop.wsgi'],
    undefined,
  ],
  [
    'an init',
    {},
    image(['/usr/bin/tini', '-s', '--'], server),
    ['/usr/bin/tini', '-s', '--', ...server],
    undefined,
  ],
  [
    'a script behind an init',
    {},
    image(['tini', '--', '/entry'], server),
    ['tini', '--', '/entry', ...server],
    script('/entry'),
  ],
  [
    'what brings secrets',
    { command: ['doppler', 'run', '--', ...server] },
    undefined,
    ['doppler', 'run', '--', ...server],
    wrapper('doppler', 'run', '--'),
  ],
  [
    'variables',
    { command: ['env', 'A=b', ...server] },
    undefined,
    ['env', 'A=b', ...server],
    wrapper('env', 'A=b'),
  ],
])('the command of a container is understood: %s', (_, container, asked, words, starter) => {
  expect(launchOf({ name: 'web', ...container }, asked)).toEqual({
    words,
    ...(starter && { starter }),
  })
})

test.each([
  ['with a program behind it', { args: server }, image(['/entry', 'web']), '/entry web'],
  ['that starts one itself', { command: ['./entry.sh', 'web'] }, undefined, './entry.sh web'],
])('a script that needs a word is skipped, and named: %s', (_, container, ofImage, skipped) => {
  expect(launchOf({ name: 'web', ...container }, ofImage)).toMatchObject({ skipped })
})
