import { describe, expect, test as it } from '@jest/globals'
import type { TestReport } from '../../src/django/test-output.js'
import type { Failure } from '../../src/failure/failure.js'
import type { StageLog } from '../../src/platform/stage-log.js'
import type { ReleaseContext } from '../../src/stages/context.js'
import { test as stage, testBox } from '../../src/stages/test.js'
import { notebook } from '../support/journal.js'
import { scripted, type Line } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: `sha256:${'01'.repeat(32)}` }
const box = 'django-rollout-test-[0-9a-f]{12}'
const labels = `--label django-rollout\\.test=${box} --label django-rollout\\.run=\\S+ --label django-rollout\\.until=\\d+`

const entrypoint: Line = {
  when: new RegExp(`^docker image inspect --format {{json .Config.Entrypoint}} ${built.id}$`),
  stdout: 'null\n',
}
const run = (more: Partial<Line>): Line => ({ when: /^docker run --rm --init /, ...more })
/** Nothing is left when it is looked for. */
const tidy: readonly Line[] = [
  {
    when: /^docker (ps --all|network ls) --filter label=django-rollout\.test --format /,
    always: true,
  },
  { when: /^docker ps --all --quiet --filter label=django-rollout\.test=\S+$/, always: true },
  { when: /^docker network ls --quiet --filter label=django-rollout\.test=\S+$/, always: true },
]
const services: readonly Line[] = [
  { when: new RegExp(`^docker network create ${labels} ${box}$`) },
  {
    when: new RegExp(
      `^docker run --detach --name ${box}-postgres .* --network ${box} --network-alias postgres --tmpfs /var/lib/postgresql/data .* postgres:17 postgres -c fsync=off`,
    ),
  },
  {
    when: new RegExp(
      `^docker run --detach --name ${box}-redis .* --network-alias redis --tmpfs /data --env-file /private/redis.env redis:8 --save  --appendonly no$`,
    ),
  },
]
const ready: readonly Line[] = [
  { when: /^docker exec \S+-postgres .* pg_isready / },
  { when: /^docker exec \S+-redis .* redis-cli ping$/ },
]
const passed = 'Found 2 test(s).\n..\n---\nRan 2 tests in 0.1s\n\nOK'
const files = { 'orders/tests.py': '' }

const failing = `Found 14 test(s).
.F
======================================================================
FAIL: test_total (orders.tests.OrderTests.test_total)
----------------------------------------------------------------------
Traceback (most recent call last):
  File "/app/orders/tests.py", line 41, in test_total
    self.assertEqual(order.total, 4)
AssertionError: 3 != 4

----------------------------------------------------------------------
Ran 14 tests in 0.101s

FAILED (failures=1)`

let reports: TestReport[] = []

/** The stage; what the tests said is in `reports`. */
async function test(context: ReleaseContext, log: StageLog, image: typeof built): Promise<void> {
  reports = []
  const box = testBox(context)
  try {
    await stage(
      context.with({ log }),
      { built: image, box },
      { onOutput: () => {}, onReport: (report) => reports.push(report) },
    )
  } finally {
    await box.close((sentence) => {
      log.say(sentence)
    })
  }
}

describe('the tests', () => {
  it('run in a container of the image itself, without its entrypoint', async () => {
    const { platform, ran, written } = scripted([entrypoint, run({ stderr: passed }), ...tidy])
    const stageLog = notebook()
    const given = { 'test-command': 'pytest -q "a b"', 'test-env': 'A=x y\nB=$HOME' }
    await test(contextOf(platform, given), stageLog, built)
    expect(reports).toMatchObject([{ run: 2, failures: 0, failing: [] }])
    expect(ran.find((line) => line.startsWith('docker run'))).toMatch(
      new RegExp(
        `^docker run --rm --init --name ${box} ${labels} --env-file /private/env --entrypoint /bin/sh ${built.id} -c pytest -q "a b"$`,
      ),
    )
    expect(written['/private/env']).toBe(
      'PYTHONUNBUFFERED=1\nPYTHONFAULTHANDLER=1\nA=x y\nB=$HOME\n',
    )
    expect(stageLog.lines).toContain('> Ran 2 tests in 0.1s')
    expect(stageLog.lines.at(-1)).toBe('2 tests passed in 0 s')
  })

  it('report once that an entrypoint is skipped', async () => {
    const stdout = '["/entrypoint.sh","--wait"]'
    const { platform } = scripted([{ ...entrypoint, stdout }, run({ stderr: passed }), ...tidy])
    const stageLog = notebook()
    await test(contextOf(platform), stageLog, built)
    expect(stageLog.lines[0]).toBe(
      "tests run without the image's entrypoint (/entrypoint.sh --wait)",
    )
  })

  it('reach services on a separate network, and test-env overrides their addresses', async () => {
    const notYet = { when: ready[0]?.when ?? /-/, code: 2, stdout: 'no response' }
    const running = { when: /^docker container inspect .* \S+-postgres$/, stdout: 'true' }
    const { platform, ran, written, slept } = scripted([
      entrypoint,
      ...services,
      notYet,
      running,
      ...ready,
      run({ stderr: passed }),
      ...tidy,
    ])
    const given = { 'test-services': 'postgres redis', 'test-env': 'PGHOST=other' }
    await test(contextOf(platform, given), notebook(), built)
    const lines = (written['/private/env'] ?? '').split('\n')
    const password = /PGPASSWORD=([0-9a-f]{24})/.exec(written['/private/env'] ?? '')?.[1] ?? '-'
    expect(lines).toContain(`DATABASE_URL=postgres://test:${password}@postgres:5432/test`)
    expect(lines).toContain('POSTGRES_HOST=postgres')
    expect(lines).toContain('PGHOST=other')
    expect(lines).not.toContain('PGHOST=postgres')
    expect(lines).toContain('REDIS_URL=redis://redis:6379/0')
    expect(slept).toEqual([200])
    const ours = ran.find((command) => command.startsWith('docker run --rm'))
    expect(ours).toMatch(new RegExp(`--network ${box} `))
    // Every user of the machine can read commands.
    expect(ran.join('\n')).not.toContain(password)
  })

  it('leave files, which are copied when the container has ended, and a warning for those that are missing', async () => {
    const { platform, ran } = scripted([
      entrypoint,
      { when: /^docker run --init /, stderr: passed },
      { when: /^docker image inspect --format \{\{\.Config\.WorkingDir\}\}/, stdout: '/app\n' },
      { when: /^docker cp \S+:\/app\/reports\/junit\.xml reports\/$/ },
      {
        when: /^docker cp \S+:\/tmp\/coverage \.\/$/,
        code: 1,
        stderr: 'Error: No such container:path: 1f:/tmp/coverage',
      },
      {
        when: /^docker cp \S+:\/app\/out \.\/$/,
        code: 1,
        stderr: 'cannot overwrite non-directory "./out" with directory',
      },
      ...tidy,
    ])
    const warnings: string[] = []
    const given = { 'test-files': 'reports/junit.xml\n/tmp/coverage/\nout' }
    const context = contextOf(platform, given).with({ warn: (sentence) => warnings.push(sentence) })
    await test(context, notebook(), built)
    expect(warnings).toEqual([
      'test-files: the tests have not written /tmp/coverage',
      'test-files: out was not copied: cannot overwrite non-directory "./out" with directory',
    ])
    expect(ran.find((command) => command.startsWith('docker run'))).not.toContain('--rm')
  })

  it('are replaced by a warning when there is no test command', async () => {
    const stderr = 'Found 0 test(s).\n\n---\nRan 0 tests in 0.000s\n\nNO TESTS RAN'
    const { platform } = scripted([entrypoint, run({ stderr }), ...tidy])
    const stageLog = notebook()
    const warnings: string[] = []
    const context = contextOf(platform).with({ warn: (sentence) => warnings.push(sentence) })
    await test(context, stageLog, built)
    const warning = 'no tests ran; check that "test-command" finds them'
    expect(stageLog.lines.at(-1)).toBe(`warning: ${warning}`)
    expect(warnings).toEqual([warning])
  })
})

describe('the cause of failed tests', () => {
  const refused =
    'psycopg.OperationalError: connection failed: connection to server at "127.0.0.1", port 5432 failed: Connection refused'
  it.each<[string, number, string, string, object]>([
    [
      'a failing test',
      1,
      failing,
      '1 of 14 failed: orders.tests.OrderTests.test_total (orders/tests.py:41): AssertionError: 3 != 4',
      { annotations: [{ file: 'orders/tests.py', line: 41 }] },
    ],
    [
      'an error before the first test',
      1,
      `Traceback (most recent call last):\n  File "/app/orders/tests.py", line 2, in <module>\n    connect()\n${refused}`,
      'OperationalError: connection failed: connection to server at "127.0.0.1", port 5432 failed: Connection refused (orders/tests.py:2)',
      {
        hint: 'For a temporary server, set test-services: postgres',
        annotations: [{ file: 'orders/tests.py', line: 2 }],
      },
    ],
    [
      'an engine that is stopped',
      143,
      'test_login ...\n',
      'something else ended them (SIGTERM); the last line was "test_login ..."',
      { hint: expect.stringContaining('the Docker engine was stopped or restarted') },
    ],
    [
      'no server where MySQL is expected',
      1,
      `Traceback (most recent call last):\n  File "/app/orders/tests.py", line 2, in <module>\n    connect()\ndjango.db.utils.OperationalError: (2003, "Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)")`,
      `OperationalError: (2003, "Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)") (orders/tests.py:2)`,
      { hint: 'For a temporary server, set test-services: mysql' },
    ],
    [
      'no such command',
      127,
      '/bin/sh: 1: pytest: not found',
      '"python manage.py test" exited with code 127: /bin/sh: 1: pytest: not found',
      {},
    ],
    [
      'a check after tests that have logged an error and passed',
      2,
      `Traceback (most recent call last):\n  File "/app/orders/tests.py", line 2, in total\n    fail()\nValueError: expected\n\nRan 12 tests in 0.1s\n\nOK\nName  Cover\nTOTAL 71%\nCoverage failure: total of 71 is less than fail-under=90`,
      '"python manage.py test" exited with code 2: Coverage failure: total of 71 is less than fail-under=90',
      {},
    ],
    [
      'a check after tests that have logged an error in one line, and passed',
      1,
      'ERROR shop.views payment failed for order 7\n.\nRan 3 tests in 0.1s\n\nOK\n./shop/views.py:1:1: F401 unused',
      '"python manage.py test" exited with code 1: ./shop/views.py:1:1: F401 unused',
      {},
    ],
    [
      'a check of pytest beside tests that passed',
      1,
      'FAIL Required test coverage of 90% not reached. Total coverage: 71.00%\n======= 21 passed in 0.50s =======',
      '"python manage.py test" exited with code 1: FAIL Required test coverage of 90% not reached. Total coverage: 71.00%',
      {},
    ],
    ['nothing said', 3, '', '"python manage.py test" exited with code 3', {}],
    [
      'killed',
      137,
      'test_big ... Killed',
      '"python manage.py test" exited with code 137: test_big ... Killed',
      { hint: expect.stringContaining('memory') },
    ],
    [
      'no shell',
      127,
      '[FATAL tini (7)] exec /bin/sh failed: No such file or directory',
      'the image has no /bin/sh to run them with',
      {},
    ],
    [
      'no shell, as runc says it',
      127,
      'docker: Error response from daemon: failed to create task for container: exec: "/bin/sh": stat /bin/sh: no such file or directory',
      'the image has no /bin/sh to run them with',
      {},
    ],
    [
      'no container',
      125,
      'docker: Error response from daemon: no space left on device',
      'starting their container failed: docker: Error response from daemon: no space left on device',
      {},
    ],
  ])('is right: %s', async (_, code, stderr, sentence, more) => {
    const { platform } = scripted([entrypoint, run({ code, stderr }), ...tidy], { files })
    await expect(test(contextOf(platform), notebook(), built)).rejects.toMatchObject({
      cause: { code: 'tests-failed', sentence: `tests: ${sentence}`, ...more },
    })
  })

  it('is reported with the output of the tests and paths of the repository', async () => {
    const { platform } = scripted([entrypoint, run({ code: 1, stderr: failing }), ...tidy], {
      files,
    })
    await expect(test(contextOf(platform), notebook(), built)).rejects.toThrow('1 of 14 failed')
    const place = { file: 'orders/tests.py', line: 41 }
    expect(reports).toMatchObject([{ run: 14, failures: 1, failing: [place] }])
  })

  it('is the missing engine when docker is missing', async () => {
    const stderr =
      'docker: Cannot connect to the Docker daemon at unix:///nope.sock. Is the docker daemon running?.'
    const { platform } = scripted([entrypoint, run({ code: 125, stderr }), ...tidy])
    await expect(test(contextOf(platform), notebook(), built)).rejects.toMatchObject({
      cause: {
        code: 'tool-missing',
        sentence: 'tests: no Docker engine answers at unix:///nope.sock',
      },
    })
  })

  it('is the service that did not start, with its output', async () => {
    const { platform } = scripted([
      entrypoint,
      ...services,
      { when: /pg_isready/, code: 1, stderr: 'container is not running' },
      { when: /^docker container inspect .*-postgres$/, stdout: 'false' },
      { when: /^docker logs --tail 30 \S+-postgres$/, stderr: 'FATAL: no room in memory' },
      ...ready.slice(1),
      ...tidy,
    ])
    const given = { 'test-services': 'postgres redis' }
    await expect(test(contextOf(platform, given), notebook(), built)).rejects.toMatchObject({
      cause: {
        code: 'tests-failed',
        sentence: 'tests: postgres exited before its first answer: FATAL: no room in memory',
        logs: [{ lines: ['FATAL: no room in memory'] }],
      },
    })
  })

  it('is the service whose image cannot be pulled', async () => {
    const stderr =
      "Unable to find image 'postgres:17' locally\ndocker: Error response from daemon: toomanyrequests: rate limit"
    const [network, postgres] = services
    const { platform } = scripted([
      ...[entrypoint, network, { ...postgres, code: 125, stderr }].filter(
        (each) => each !== undefined,
      ),
      ...tidy,
    ] as Line[])
    const given = { 'test-services': 'postgres' }
    await expect(test(contextOf(platform, given), notebook(), built)).rejects.toMatchObject({
      cause: {
        code: 'registry',
        sentence: expect.stringContaining('from the image postgres:17: '),
      },
    })
  })
})

describe('no container is left behind', () => {
  /** Containers and the network are found the first time, and gone the second. */
  const leftovers: readonly Line[] = [
    { when: /^docker ps --all --quiet /, stdout: 'c1\nc2\n' },
    { when: /^docker rm --force --volumes c1 c2$/ },
    { when: /^docker network ls --quiet /, stdout: 'n1\n' },
    { when: /^docker network rm n1$/ },
    ...tidy,
  ]

  it('after an abort, which is passed on', async () => {
    const reason = new Error('enough')
    const ending = new AbortController()
    const { platform, ran } = scripted([
      entrypoint,
      run({ stderr: 'up', hangs: true }),
      ...leftovers,
    ])
    const quote = (): void => ending.abort(reason)
    const testing = test(contextOf(platform, {}, ending.signal), { ...notebook(), quote }, built)
    await expect(testing).rejects.toBe(reason)
    expect(ran).toContain('docker rm --force --volumes c1 c2')
    expect(ran).toContain('docker network rm n1')
  })

  it('after the timeout, which is reported with the last line', async () => {
    const hanging = run({ stderr: 'test_login ...\n\n', hangs: true })
    const asked = { when: /^docker exec / }
    const { platform, ran } = scripted([entrypoint, hanging, asked, ...leftovers])
    const error = await test(
      contextOf(platform, { 'test-timeout': '30m' }),
      notebook(),
      built,
    ).catch((thrown: unknown) => thrown as Failure)
    expect(error).toMatchObject({
      cause: {
        code: 'tests-failed',
        sentence: 'tests: not finished after 30 min; the last line was "test_login ..."',
      },
    })
    expect(ran).toContain('docker network rm n1')
  })

  it('after the timeout, where a shell reports its end and nothing else', async () => {
    const hanging = run({ stderr: 'Aborted\n', hangs: true })
    const asked = { when: /^docker exec / }
    const { platform } = scripted([entrypoint, hanging, asked, ...leftovers])
    await expect(
      test(contextOf(platform, { 'test-timeout': '30m' }), notebook(), built),
    ).rejects.toMatchObject({
      cause: { sentence: 'tests: not finished after 30 min; there was no output' },
    })
  })

  it('after the timeout, which is reported with the place where Python was', async () => {
    const where = [
      'Fatal Python error: Aborted',
      '',
      'Thread 0x00007f01 (most recent call first):',
      '  File "/app/orders/processing.py", line 9 in work',
      '',
      'Current thread 0x00007f02 (most recent call first):',
      '  File "/usr/local/lib/python3.13/socket.py", line 719 in readinto',
      '  File "/app/orders/tests.py", line 41 in test_login',
      '  File "/app/manage.py", line 9 in <module>',
    ].join('\n')
    const hanging = run({ stderr: `test_login ...\n${where}`, hangs: true })
    const asked = { when: /^docker exec django-rollout-test-\S+ \/bin\/sh -c kill -ABRT -1$/ }
    const { platform } = scripted([entrypoint, hanging, asked, ...leftovers], { files })
    await expect(
      test(contextOf(platform, { 'test-timeout': '30m' }), notebook(), built),
    ).rejects.toMatchObject({
      cause: {
        code: 'tests-failed',
        sentence: 'tests: not finished after 30 min; they were in orders/tests.py:41 (test_login)',
        annotations: [{ file: 'orders/tests.py', line: 41, title: 'The tests hang' }],
      },
    })
  })

  it('or it is named in a warning', async () => {
    const { platform } = scripted([
      entrypoint,
      run({ stderr: passed }),
      { when: /^docker (ps|network ls) /, stdout: 'x1\n', always: true },
      { when: /^docker (rm|network rm) /, code: 1, stderr: 'busy', always: true },
    ])
    const stageLog = notebook()
    await test(contextOf(platform), stageLog, built)
    expect(stageLog.lines.join('\n')).toMatch(/label django-rollout\.test=\S+ could not be removed/)
  })

  it('of other runs that were killed, and what a live one has stays', async () => {
    const [dead, live, old, young] = ['dead', 'live', 'old', 'young'].map((one) => `box-${one}`)
    // Of the last two nobody can tell from here whether they run.
    const boxes = `${dead} here.1.9 9000000\n${live} here.2.9 9000000\n${old}  1\n${young}  9000000\n`
    const listed = /^docker (ps --all|network ls) --filter label=django-rollout\.test --format /
    const { platform, ran } = scripted([
      entrypoint,
      run({ stderr: passed }),
      { when: listed, stdout: boxes, always: true },
      { when: /^docker ps --all --quiet /, stdout: 'c1\n' },
      { when: /^docker rm --force --volumes c1$/ },
      ...leftovers.slice(2),
    ])
    const hasEnded = (identity: string) => identity === 'here.1.9'
    await platform.clock.sleep(1_000)
    const own = { ...platform, processes: { ...platform.processes, hasEnded } }
    const stageLog = notebook()
    await test(contextOf(own), stageLog, built)
    expect(stageLog.lines).toEqual(
      expect.arrayContaining(
        [dead, old].map((one) => `removing what another run has left: ${one}`),
      ),
    )
    const removed = ran.filter((line) => line.startsWith('docker ps --all --quiet'))
    expect(
      removed.filter((line) => line.includes(`=${live}`) || line.includes(`=${young}`)),
    ).toEqual([])
    expect(ran).toContain('docker rm --force --volumes c1')
  })
})
