/** What went wrong for others, in public, and which case or test plays it. */
import { expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The repository and number of an issue, or a place, and where it is played: file and name. */
const incidents: readonly (readonly [
  incident: string,
  seen: string,
  played: Readonly<Record<string, string | readonly string[]>>,
])[] = [
  [
    'NOT NULL with a Python default',
    'AI-Shipping-Labs#1458, #1474, fx-private-relay#2259',
    {
      'migrations/cases.ts': ['NOT NULL with a Python default', 'its twin: db_default'],
      'migrations/placed-cases.ts': 'a NOT NULL column with a Python default is added',
    },
  ],
  [
    'a field removed in one step',
    'diplicity-react#722, sentry#66353, bytedeck#2637',
    {
      'migrations/cases.ts': 'RemoveField',
      'cluster/held.test.ts':
        'a removal is held back and an addition keeps its default, and the next release ends both',
    },
  ],
  [
    'removed from the state only, NOT NULL left behind',
    'sentry#29297, #40755',
    { 'migrations/cases.ts': 'from the state only, NOT NULL left behind' },
  ],
  [
    'removed from the state only, a foreign key left behind',
    'PostHog#98147',
    { 'migrations/cases.ts': 'from the state only, a foreign key left behind' },
  ],
  [
    'the second step of a removal after the first one was undone',
    'kin of GitLab production#1143, #19079',
    {
      'migrations/cases.ts': 'the same drop after the first release was undone',
      'long/incidents.test.ts':
        'the second step of a removal is refused after the first one was undone',
    },
  ],
  [
    'a model renamed and its table kept, with a many-to-many field',
    'django-pg-zero-downtime-migrations#26',
    {
      'migrations/cases.ts': 'RenameModel, the table kept, with a many-to-many field',
      'migrations/load-cases.ts': 'RenameModel, its twin: the table kept',
    },
  ],
  [
    'a harmless column of a table in use',
    'PostHog#62857, sentry#79052',
    {
      'long/table-locks.test.ts': [
        'a migration waits for a transaction of 20 s, by %s',
        'a table that is not free in time is not changed',
      ],
      'long/busy-tables.test.ts':
        'a migration waits until its table is free, no client waits for it, and the release continues',
    },
  ],
  [
    'the parent is locked',
    'PostHog#97935',
    {
      'long/table-locks.test.ts': [
        'a new table with a foreign key, while the parent is written to',
        'a table with a foreign key is dropped, while the parent is read',
      ],
    },
  ],
  [
    'an interrupted concurrent index',
    'PostHog#59096, #93452, multica#7073, salesagent#2087',
    {
      'long/incidents.test.ts':
        'the Job is deleted while it builds an index, and the next release builds it anew',
      'long/table-locks.test.ts': 'an index that was left invalid is built again',
    },
  ],
  [
    'through PgBouncer',
    'authentik#23876, internet.nl#768',
    {
      'long/incidents.test.ts':
        'a release through PgBouncer takes its locks without a queue, and sets nothing for the web',
    },
  ],
  [
    'the way back needs the newer image',
    'helm#5825, compass#1948, safemigrate#29',
    {
      'cluster/reversed.test.ts': [
        'a rollback over a renamed column is refused with the commands',
        'a rollback over a renamed column goes through when the commands are accepted',
        'a step in Python without a way back stops a rollback before a write',
      ],
      'migrations/back.ts': 'a column that is only new is no reason to reverse anything',
    },
  ],
  [
    'half a migration on MariaDB',
    'specify7#2284, DefectDojo#5101',
    {
      'migrations/cases.ts': 'unique over rows that are equal',
      'long/half.test.ts': 'a column, and unique over rows that are equal',
    },
  ],
  [
    'NULL is written between the step that fills the rows and NOT NULL',
    'katalogas#2801',
    { 'migrations/load-cases.ts': 'NULL to NOT NULL after a file that fills the rows' },
  ],
  [
    'pending trigger events',
    'django-scheduler#376, patchwork#104, djangoproject.com#498',
    {
      'long/table-locks.test.ts':
        'rows with unchecked foreign keys stop a change of their table, as the plan has said; %s',
    },
  ],
  [
    'the image migrates at its start',
    'gyrinx#1845, diplicity#995, IFRCGo#1926',
    { 'cluster/held.test.ts': 'nothing is held back where the pods migrate by themselves' },
  ],
  [
    'a table whose name the environment gives',
    'ethical-ad-server#801',
    { 'migrations/cases.ts': 'a table whose name the environment gives' },
  ],
  [
    'a default of each row never gets its lock',
    'cumora#288',
    { 'long/table-locks.test.ts': 'a new column whose default is another one in each row' },
  ],
  [
    'a new task and an old worker',
    'tapir#485, onyx#4740',
    {
      'cluster/tasks.test.ts':
        'every message is run, though the old workers do not know the new task',
    },
  ],
  [
    'choices, help_text and on_delete',
    'noise of linters',
    { 'migrations/cases.ts': 'choices, help_text, default, on_delete' },
  ],
  [
    'a view under the old name',
    'a recipe of django-pg-zero-downtime-migrations',
    {
      'migrations/cases.ts': 'a table renamed, a view in its place',
      'migrations/load-cases.ts': 'a view in the place of a table, which accepts no rows',
    },
  ],
  [
    'a database default dropped',
    'Django 5.0',
    { 'migrations/cases.ts': 'the database default dropped' },
  ],
  [
    'a view that reads what is dropped',
    'Django up to 5.2 drops it, too',
    { 'migrations/cases.ts': 'a column that a view reads' },
  ],
  [
    'pg_dump is running',
    'bifrost#5733',
    { 'long/table-locks.test.ts': 'a new column while a backup runs' },
  ],
]

test.each(incidents)('%s (%s) is played', (_, __, played) => {
  for (const [file, names] of Object.entries(played)) {
    const text = readFileSync(join(import.meta.dirname, '..', file), 'utf8')
    for (const name of [names].flat()) expect(text).toContain(`'${name}'`)
  }
})
