import { describe, expect, test } from '@jest/globals'
import { inspectorEnv } from '../../src/django/inspector-env.js'

const marker = 'MARK42'

describe("the inspector's variables", () => {
  const usual = {
    marker,
    migrate: null,
    databases: ['default'],
    always: false,
    only: false,
    volumes: [],
    web: null,
    kept: {},
    wait: 0,
    running: [],
    unsafe: 'block',
    locks: null,
  }
  test.each([
    [{ marker }, usual],
    [{ marker, lockWaitSeconds: 0 }, {}],
    [{ marker, lockWaitSeconds: 60 }, { locks: 60 }],
    [
      { marker, migrate: 'python manage.py migrate --database=shop', waitSeconds: 15 },
      {
        migrate: 'python manage.py migrate --database=shop',
        databases: ['shop'],
        only: true,
        wait: 15,
      },
    ],
    [
      {
        marker,
        migrate: 'python manage.py migrate && python manage.py migrate --database reports',
      },
      {
        migrate: 'python manage.py migrate && python manage.py migrate --database reports',
        databases: ['default', 'reports'],
        always: true,
      },
    ],
    [
      { marker, migrate: 'echo $(HOME) $$', web: ['gunicorn', 'shop.wsgi'], volumes: ['/data'] },
      {
        migrate: 'echo $(HOME) $$',
        always: true,
        web: ['gunicorn', 'shop.wsgi'],
        volumes: ['/data'],
      },
    ],
  ])('are right for %j', (task, spec) => {
    const [variable] = inspectorEnv(task)
    expect(variable?.value).not.toContain('$')
    expect(JSON.parse(variable?.value ?? '')).toEqual({ ...usual, ...spec })
  })

  test('hold the needs of the running versions, each of them once', () => {
    const version = (tag: string, needs?: string) => ({
      names: ['deployment/web'],
      tag,
      ...(needs !== undefined && { needs }),
    })
    const [large, larger] = ['A', 'B'].map((letter) => letter.repeat(100_000))
    const running = [
      version('v1', 'bmVl'),
      { ...version('v2'), isOwn: true as const },
      { ...version('v3'), isIdle: true as const, since: '2026-01-31T12:00:00.000Z' },
      version('v4', 'bmVl'),
      version('v5', large),
      version('v6', `${larger ?? ''}AAAA`),
      version('v7', 'no base64'),
    ]
    const [spec, ...bodies] = inspectorEnv({ marker, running, unsafe: 'warn' })
    expect(bodies).toEqual([
      { name: 'DJANGO_ROLLOUT_NEEDS_0', value: 'bmVl' },
      { name: 'DJANGO_ROLLOUT_NEEDS_1', value: large },
    ])
    const names = ['deployment/web']
    expect(JSON.parse(spec?.value ?? '')).toEqual({
      ...usual,
      unsafe: 'warn',
      running: [
        { names, tag: 'v1', needs: 0 },
        { names, tag: 'v2', own: true },
        { names, tag: 'v3', idle: true, since: '2026-01-31T12:00:00.000Z' },
        { names, tag: 'v4', needs: 0 },
        { names, tag: 'v5', needs: 1 },
        { names, tag: 'v6' },
        { names, tag: 'v7' },
      ],
    })
  })

  test('hold the needs of the versions that a rollback may restore, shared with those of the running versions', () => {
    const running = [{ names: ['deployment/web'], tag: 'v2', needs: 'bmVl' }]
    const kept = { hash: 'a', needs: 'bmVl' }
    const earlier = [kept, { hash: 'b', needs: 'b3RoZXI=' }, { hash: 'c', needs: 'no base64' }]
    const [spec, ...bodies] = inspectorEnv({ marker, running, earlier })
    expect(bodies.map(({ value }) => value)).toEqual(['bmVl', 'b3RoZXI='])
    expect(JSON.parse(spec?.value ?? '')).toMatchObject({
      running: [{ needs: 0 }],
      earlier: [
        { hash: 'a', needs: 0 },
        { hash: 'b', needs: 1 },
      ],
    })
  })

  test('hold the command of a proof, which shows how Django is called, and is not run', () => {
    const migrate = 'python manage.py migrate --database=shop'
    const [spec] = inspectorEnv({ marker, migrate, proves: true })
    expect(JSON.parse(spec?.value ?? '')).toMatchObject({
      migrate: null,
      databases: ['shop'],
      prove: true,
    })
  })
})
