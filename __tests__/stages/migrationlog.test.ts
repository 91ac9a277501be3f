import { expect, test } from '@jest/globals'
import { lostDatabase } from '../../src/stages/migrationlog.js'
import type { Plan } from '../../src/django/inspector.js'

const planOf = (vendor: string) => ({ vendor }) as Plan
const volume = (source: object) => ({
  spec: { containers: [], volumes: [{ name: 'v', ...source }] },
})

test.each([
  ['sqlite', { spec: { containers: [] } }, true],
  ['sqlite', volume({ emptyDir: {} }), true],
  ['sqlite', volume({ persistentVolumeClaim: { claimName: 'data' } }), false],
  ['sqlite', volume({ hostPath: { path: '/data' } }), false],
  ['postgresql', { spec: { containers: [] } }, false],
])('%s with %j is lost with the pod of the migration: %s', (vendor, template, isLost) => {
  expect(lostDatabase(planOf(vendor), template) !== undefined).toBe(isLost)
})
