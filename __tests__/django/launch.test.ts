import { expect, test } from '@jest/globals'
import type { Starter } from '../../src/django/inspector.js'
import { launchOf, type ImageCommand } from '../../src/django/launch.js'

const image = (entrypoint: readonly string[], cmd: readonly string[] = []): ImageCommand => ({
  entrypoint,
  cmd,
})
const script = (word: string): Starter => ({ words: [word], isScript: true })
const wrapper = (...words: readonly string[]): Starter => ({ words, isScript: false })
const server = ['gunicorn', 'shop.wsgi']

test.each<[string, object, ImageCommand | undefined, readonly string[], Starter | undefined]>([
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
  [
    'an entrypoint with a word that says what to start',
    { args: server },
    image(['/entry', 'web']),
    ['/entry', 'web', ...server],
    undefined,
  ],
])('%s', (_, container, asked, words, starter) => {
  expect(launchOf({ name: 'web', ...container }, asked)).toEqual({
    words,
    ...(starter && { starter }),
  })
})
