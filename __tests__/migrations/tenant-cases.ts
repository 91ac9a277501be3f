/** Releases of a project with django-tenants: `shop` is an app of tenants, `customers` one that all share. */
import type { Judged, MigrationFinding, Verified } from '../../src/django/verdict.js'
import { base, but, initialWith, next, note, ref } from './cases.js'

export interface TenantCase {
  readonly name: string
  readonly new?: string
  readonly migrations: Readonly<Record<string, string>>
  /** A field more of the model that all share. */
  readonly shared?: string
  readonly tenants?: readonly string[]
  /** Run in a schema before the release. */
  readonly sql?: readonly (readonly [schema: string, sql: string])[]
  /** Schemas that have the migrations already. */
  readonly ahead?: readonly string[]
  readonly unsafe?: 'warn' | 'allow'
  readonly backup?: 'needed'
  /** The running image was no release: it reports what it needs. */
  readonly reported?: true
  readonly expected: Partial<SeenOfTenants>
}

/** What was seen of a release. */
export interface SeenOfTenants {
  readonly code: number
  /** What is found, in the words of the report where it has any. */
  readonly found: readonly string[]
  /** Where the needs of the running version come from, the least trusted of all schemas. */
  readonly source: string
  /** Schemas that were compared, and for how many. */
  readonly schemas: readonly (readonly [string, number])[]
  /** What a backup is for. */
  readonly backup: readonly string[]
  /** What its table refuses before the commit. */
  readonly refused: readonly string[]
  readonly oldFails: readonly string[]
  readonly newFails: readonly string[]
  /** Whether the old version breaks after it: by the comparison, by the old image, and by the new one. */
  readonly back: { readonly inHistory: boolean; readonly proved: boolean; readonly undo: string }
}

/** What `tenants.py` has seen. */
export interface PlayedTenants {
  readonly released: Told
  readonly proof: Told
  readonly back: Told
  readonly old: readonly string[]
  readonly new: readonly string[]
}

interface Told {
  readonly code: number
  readonly output: string
  readonly plan: {
    readonly databases: readonly { readonly schemas: readonly (readonly [string, number])[] }[]
    readonly judged: Pick<Judged, 'blocked' | 'findings' | 'versions'>
    readonly backup: readonly Readonly<Record<'why' | 'object', string>>[] | null
    readonly reversal: { readonly do: string } | null
  }
  readonly verified?: readonly Verified[]
  readonly refused: readonly MigrationFinding[]
}

const nothing: SeenOfTenants = {
  code: 0,
  found: [],
  source: 'kept',
  schemas: [['acme', 2]],
  backup: [],
  refused: [],
  oldFails: [],
  newFails: [],
  back: { inHistory: false, proved: false, undo: 'fits' },
}

export const expectedOfTenants = ({ expected }: TenantCase): SeenOfTenants => ({
  ...nothing,
  ...expected,
})

export function seenOfTenants(played: PlayedTenants): SeenOfTenants {
  const { plan, verified = [], code, refused } = played.released
  const lost = verified.flatMap(({ earlier }) => earlier['old']?.added ?? [])
  return {
    code,
    found: plan.judged.findings
      .map(
        ({ severity, rule, object, detail }) =>
          `${severity} ${rule} ${object}${detail === undefined ? '' : `: ${detail}`}`,
      )
      .sort(),
    source: plan.judged.versions.map(({ source }) => source).join(),
    schemas: plan.databases.flatMap(({ schemas }) => schemas),
    backup: (plan.backup ?? []).map(({ why, object }) => `${why} ${object}`),
    refused: refused.map(({ rule, object }) => `${rule} ${object}`),
    oldFails: played.old,
    newFails: played.new,
    back: {
      inHistory: lost.some(({ severity }) => severity === 'breaks'),
      proved: played.proof.plan.judged.blocked,
      undo: played.back.plan.reversal?.do ?? 'not told',
    },
  }
}

export const tenantModels = base
export const tenantInitial = {
  '0001_initial': initialWith('models.CharField(max_length=50, default="n")'),
}

const withCount = (field: string) => `${base}    count = ${field}\n`
const added = (field: string) => ({
  new: withCount(field),
  migrations: next(`migrations.AddField("order", "count", ${field})`),
})
const removed = {
  new: but(note, ''),
  migrations: next('migrations.RemoveField("order", "note")'),
}
const gone = 'breaks column-gone shop_order.note'
/** The code of the new version, as long as nothing is migrated. */
const newLacks = (part: string) =>
  ['acme', 'beta'].flatMap((schema) =>
    part === 'insert' ? [`${schema} insert`] : [`${schema} read`, `${schema} insert`],
  )

export const tenantCases: readonly TenantCase[] = [
  {
    name: 'a nullable column is added in all schemas',
    ...added('models.IntegerField(null=True)'),
    expected: {},
  },
  {
    name: 'a column is removed: nothing can wait, and nothing is written',
    ...removed,
    expected: { code: 3, found: [gone], newFails: newLacks('insert') },
  },
  {
    name: 'the same for an image that reports what it needs',
    ...removed,
    reported: true,
    expected: { code: 3, found: [gone], newFails: newLacks('insert') },
  },
  {
    name: 'a column is removed all the same: it is gone for the old version in all schemas',
    ...removed,
    unsafe: 'allow',
    expected: {
      found: [gone],
      oldFails: newLacks('read'),
      back: { inHistory: true, proved: true, undo: 'impossible' },
    },
  },
  {
    name: 'the safe way that is offered, first release',
    new: removed.new,
    migrations: next(
      'migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", null=True)), migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "note")])',
    ),
    expected: {},
  },
  {
    name: 'a NOT NULL column with a Python default is added',
    ...added('models.IntegerField(default=1)'),
    expected: {
      code: 3,
      found: ['breaks insert-refused shop_order.count'],
      newFails: newLacks('read'),
    },
  },
  {
    name: 'the same of the app that all share',
    migrations: {},
    shared: '    plan = models.CharField(max_length=9, default="x")\n',
    expected: {
      code: 3,
      found: ['breaks insert-refused customers_client.plan'],
      newFails: ['public read', 'public insert'],
    },
  },
  {
    name: 'a removed column that is accepted has its backup',
    new: removed.new,
    migrations: next(
      '# django-rollout: allow column-gone shop_order.note: nobody reads it\nmigrations.RemoveField("order", "note")',
    ),
    backup: 'needed',
    expected: { found: [gone], backup: ['drops shop_order.note'], newFails: newLacks('insert') },
  },
  {
    name: 'the rows of another schema than the first are in the way',
    new: but(ref, ref.replace(')', ', unique=True)')),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))',
    ),
    sql: [['beta', "INSERT INTO shop_order (note, ref) VALUES ('n', 'same'), ('n', 'same')"]],
    expected: {
      code: 3,
      found: [
        'breaks rows-refuse shop_order.ref: 1 value of shop_order shared by several rows (ref): the unique constraint cannot be created in the schema beta',
        'breaks unique shop_order.ref',
      ],
    },
  },
  {
    name: 'a trigger refuses what the old version writes: it is rolled back',
    migrations: next(
      `migrations.RunSQL("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$; CREATE TRIGGER refuse BEFORE INSERT ON shop_order FOR EACH ROW EXECUTE FUNCTION refuse()")`,
    ),
    expected: {
      code: 1,
      found: [
        'unknown unread shop.0002_next: CREATE TRIGGER refuse BEFORE INSERT ON shop_order FOR EACH ROW EXECUTE FUNCTION refuse()',
      ],
      refused: ['write-refused shop_order'],
    },
  },
  {
    name: 'a schema that is ahead of the others is compared, too',
    ...removed,
    ahead: ['acme'],
    expected: {
      code: 3,
      found: [gone],
      schemas: [
        ['acme', 1],
        ['beta', 1],
      ],
      oldFails: ['acme read', 'acme insert'],
      newFails: ['beta insert'],
      back: { inHistory: false, proved: true, undo: 'impossible' },
    },
  },
  {
    name: 'a migration that ends in the second schema: it is known what the first one has lost',
    ...removed,
    unsafe: 'warn',
    tenants: ['beta', 'acme'],
    sql: [
      [
        'acme',
        "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN IF current_schema() = 'acme' THEN RAISE EXCEPTION 'no'; END IF; END$$; CREATE EVENT TRIGGER stop ON sql_drop EXECUTE FUNCTION stop()",
      ],
    ],
    expected: {
      code: 1,
      found: [gone],
      oldFails: ['beta read', 'beta insert'],
      newFails: ['acme insert'],
      back: { inHistory: true, proved: true, undo: 'impossible' },
    },
  },
  {
    name: 'schemas at too many states are named',
    ...added('models.IntegerField(null=True)'),
    tenants: ['a', 'b', 'c', 'd', 'e', 'f'],
    sql: ['a', 'b', 'c', 'd', 'e'].map((schema) => [
      schema,
      `INSERT INTO django_migrations (app, name, applied) VALUES ('former', '${schema}', now())`,
    ]),
    expected: {
      found: [
        'unknown schemas shop.0002_next: its tables in the schemas f are not compared, which are at other migrations',
      ],
      schemas: ['a', 'b', 'c', 'd', 'e'].map((schema) => [schema, 1]),
    },
  },
  {
    name: 'without a tenant nothing of theirs is compared, and that is said',
    ...removed,
    tenants: [],
    expected: {
      found: [
        'unknown schemas shop.0002_next: its tables are in the schemas of tenants, which are not compared',
      ],
      schemas: [],
    },
  },
]
