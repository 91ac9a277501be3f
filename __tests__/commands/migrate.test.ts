/** What the record of a release that migrates gets for its undo. */
import { expect, test } from '@jest/globals'
import type { Plan } from '../../src/django/plan.js'
import { workOfUndo } from '../../src/commands/migrate.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const context = contextOf(scripted([]).platform, { 'migrate-command': 'python manage.py migrate' })
const web = {
  workload: { kind: 'Deployment', name: 'web' },
  template: {},
  container: 'app',
  containers: ['app'],
} as const
const work = {
  is: 'back',
  web: 'deployment/web',
  container: 'app',
  command: 'python manage.py migrate',
}
const reported = new Map([['sha256:0f', { tag: 'v1', needs: 'eJyrrgUA', tasks: 'eJyrrgUA' }]])

test('the record has what a version needs that others have deployed', () => {
  expect(workOfUndo(context, { web, reported })).toEqual({
    ...work,
    reported: [{ digest: 'sha256:0f', tag: 'v1', needs: 'eJyrrgUA' }],
  })
})

test('the record has nothing of this where the history knows all versions', () => {
  expect(workOfUndo(context, { web })).toEqual(work)
})

test('no version comes back where nothing is judged', () => {
  expect(workOfUndo(context, { web }, { databases: [] } as unknown as Plan)).toBeUndefined()
})
