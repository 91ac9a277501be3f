/** What becomes of changes of models without a migration. */
import { expect, test } from '@jest/globals'
import { Resources } from '../../src/commands/resources.js'
import { RunState } from '../../src/commands/run-state.js'
import { testIn } from '../../src/commands/test.js'
import { Reporter } from '../../src/report/reporter.js'
import { testBox } from '../../src/stages/test.js'
import { causeOf } from '../support/cause.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const silent = { open: () => {}, say: () => {}, quote: () => {}, close: () => {} }
const built = { repository: 'ghcr.io/acme/shop', tag: 'a', id: `sha256:${'01'.repeat(32)}` }
const change = {
  app: 'orders',
  changes: ['Add field note to order'],
  migration: '/app/orders/migrations/0002_order_note.py',
}
const answer = `django-rollout-models ${JSON.stringify(change)}\ndjango-rollout-models "end"`

async function tested(code: number, policy: string) {
  const { platform } = scripted([
    { when: /^docker image inspect /, stdout: 'null' },
    { when: /^docker run .*\.beside /, stdout: answer },
    { when: /^docker run /, code, stderr: 'no' },
    { when: /^docker (ps|network ls) /, always: true },
  ])
  const reporter = new Reporter(silent, platform.clock)
  const state = new RunState()
  const resources = new Resources(platform)
  const context = contextOf(platform, { 'missing-migrations': policy })
  const box = testBox(context)
  const run = { reporter, state, resources, warn: () => undefined }
  const ended = testIn(run, context, { built, box })
  const cause = await ended.then(
    () => undefined,
    () => causeOf(ended),
  )
  await resources.close()
  return {
    cause: cause?.sentence,
    apps: state.modelChanges.map(({ app }) => app),
    stages: reporter.stages.map(({ name, ended }) => `${name} ${ended}`).sort(),
  }
}

const changed = ['orders']
const blocked =
  'tests: there are changes of models without a migration (orders), and "missing-migrations" is block'
const failed = 'tests: "python manage.py test" exited with code 1: no'

test.each([
  [0, 'warn', undefined, changed, ['models done', 'test done']],
  [1, 'warn', failed, changed, ['models done', 'test failed']],
  [0, 'block', blocked, changed, ['models done', 'test done']],
  [1, 'block', failed, changed, ['models done', 'test failed']],
  [0, 'allow', undefined, [], ['test done']],
])(
  'tests that exit with %i, and missing-migrations: %s',
  async (code, policy, cause, apps, stages) => {
    expect(await tested(code, policy)).toEqual({ cause, apps, stages })
  },
)
