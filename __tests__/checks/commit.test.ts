import { describe, expect, test } from '@jest/globals'
import { contextFindings, sourceFinding, type Context } from '../../src/checks/commit.js'

const sha = 'a'.repeat(40)

test.each([
  [
    'a clean checkout',
    { sha, tag: sha },
    undefined,
    'ok',
    'commit aaaaaaaaaaaa, without uncommitted changes',
  ],
  [
    'changes',
    { sha, tag: `${sha}-dirty-0123456789ab` },
    undefined,
    'warning',
    'there are uncommitted changes, so the tag of the image is aaaaaaaaaaaa-dirty-0123456789ab: commit or stash them to release the commit itself',
  ],
  ['a tag of the user', { tag: 'v1' }, 'v1', 'ok', 'the tag is v1 (option "tag")'],
])('the finding about the commit is right for %s', (_, source, chosen, is, says) => {
  expect(sourceFinding(source, chosen)).toMatchObject({
    about: 'commit',
    severity: is,
    message: says,
  })
})

const django = ['Dockerfile', 'manage.py', 'shop']
const plain: Context = { names: django, ignores: false, managers: ['manage.py'] }
const commands = {
  'test-command': 'python manage.py test',
  'migrate-command': 'python manage.py migrate --noinput',
}

describe('the finding about the build context', () => {
  test.each<[string, Context, Partial<typeof commands>, readonly object[]]>([
    ['holds nothing private', plain, {}, []],
    ['keeps it out', { ...plain, names: [...django, '.env', '.git'], ignores: true }, {}, []],
    [
      'sends it along',
      { ...plain, names: ['.env', '.git', ...django] },
      {},
      [
        {
          message:
            'there is no .dockerignore in "backend": the builder receives .git, .env, and a COPY of the folder includes them in the image',
          fix: "printf '%s\\n' .git .env > backend/.dockerignore",
        },
      ],
    ],
    [
      'has manage.py below',
      { ...plain, managers: ['src/manage.py'] },
      { 'test-command': '' },
      [
        {
          message:
            '"migrate-command" runs manage.py, which does not exist in the build context "backend"',
          fix: '--migrate-command "python src/manage.py migrate --noinput"',
        },
      ],
    ],
    [
      'has none at all',
      { ...plain, managers: [] },
      { 'migrate-command': '' },
      [
        {
          message:
            '"test-command" runs manage.py, which does not exist in the build context "backend"',
        },
      ],
    ],
    [
      'has it where the commands say',
      { ...plain, managers: ['src/manage.py'] },
      { 'test-command': 'pytest -q', 'migrate-command': 'python ./src/manage.py migrate' },
      [],
    ],
    [
      'says nothing of a path in the image',
      plain,
      { 'test-command': 'python /srv/manage.py test' },
      [],
    ],
  ])('is right when the folder %s', (_, context, more, expected) => {
    const found = contextFindings('backend', context, { ...commands, ...more })
    expect(found).toMatchObject(
      expected.map((one) => ({ about: 'commit', severity: 'warning', ...one })),
    )
    expect(found).toHaveLength(expected.length)
  })
})
