/** The Job of a backup, and what is said of it. */
import { expect, test } from '@jest/globals'
import type { CronJob, JobSpec } from 'kubernetes-types/batch/v1'
import { backupJob } from '../../../src/stages/migration/backup.js'

const template = { spec: { containers: [{ name: 'dump', image: 'postgres:17' }] } }
const cronJob = (spec: Partial<JobSpec> = {}): CronJob => ({
  metadata: { name: 'backup', uid: 'uid-1' },
  spec: {
    schedule: '0 3 * * *',
    suspend: true,
    jobTemplate: {
      metadata: { labels: { team: 'data' }, annotations: { note: 'nightly' } },
      spec: { template, ...spec },
    },
  },
})
const made = (spec?: Partial<JobSpec>) =>
  backupJob(cronJob(spec), { name: 'backup-1', run: 'run-1', timeoutMs: 60_000 })

test('a backup is the Job of its CronJob, with an owner that does not control it', () => {
  expect(made({ backoffLimit: 2 })).toEqual({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: 'backup-1',
      labels: {
        team: 'data',
        'app.kubernetes.io/managed-by': 'django-rollout',
        'django-rollout/job': 'backup',
      },
      annotations: {
        note: 'nightly',
        'cronjob.kubernetes.io/instantiate': 'manual',
        'django-rollout/run': 'run-1',
      },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name: 'backup', uid: 'uid-1' }],
    },
    spec: { template, backoffLimit: 2, activeDeadlineSeconds: 60, ttlSecondsAfterFinished: 3600 },
  })
})

test.each([
  ['a shorter deadline stays', { activeDeadlineSeconds: 9 }, { activeDeadlineSeconds: 9 }],
  [
    'a longer deadline ends with the time limit',
    { activeDeadlineSeconds: 999 },
    { activeDeadlineSeconds: 60 },
  ],
  [
    'it stays until its end is seen',
    { ttlSecondsAfterFinished: 0 },
    { ttlSecondsAfterFinished: 3600 },
  ],
  [
    'it is kept for longer if so',
    { ttlSecondsAfterFinished: 9999 },
    { ttlSecondsAfterFinished: 9999 },
  ],
])('%s', (_name, given, expected) => {
  expect(made(given).spec).toMatchObject(expected)
})

test('a Job that its template suspends is started', () => {
  expect(made({ suspend: true }).spec).not.toHaveProperty('suspend')
})
