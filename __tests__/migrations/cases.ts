/**
 * Two versions of a project and the migrations between them: what the judge says of each before anything is written,
 * and what the code of each really does afterwards.
 */
export interface Case {
  readonly name: string
  /** The oldest Django that it means something to: `5.0`. */
  readonly since?: number
  /** Parts of the plan that this Django, as the project has changed it, keeps from being told. */
  readonly untold?: readonly string[]
  readonly old: string
  readonly new: string
  /** Whether the old version was the only one before its rows were written, where that is known. */
  readonly live?: 'before' | 'after'
  /** Applied before the old version runs: of an earlier release that was undone, or of the old version itself. */
  readonly base?: Readonly<Record<string, string>>
  readonly initial?: string
  readonly migrations: Readonly<Record<string, string>>
  /** What is found for the running version, by what it needs: `insert-refused shop_order.colour`. */
  readonly running: readonly string[]
  /** The same by the state of the migrations that are applied, where it differs. */
  readonly byState?: readonly string[]
  /** What is found for the new version. */
  readonly coming?: readonly string[]
  /** Whether a release stops before anything is written. */
  readonly blocked: boolean
  /** What its table refuses before the commit, for which it is rolled back. */
  readonly refused?: readonly string[]
  /** What of the old code really fails when it was migrated all the same: `Order.insert`. */
  readonly oldFails: readonly string[]
  readonly newFails?: readonly string[]
  /** A change of type that breaks for sure: the history knows, the database names types in its own way. */
  readonly sureType?: true
  /** It breaks for sure by what the text of the old code says. */
  readonly byCode?: true
  /** A safe way is offered as code: it breaks nothing, and ends in the same schema, or in another one. It is played in long/safe-ways. */
  readonly way?: 'same' | 'another' | 'none'
  /** What was found after the migration, and not before it. */
  readonly unpredicted?: readonly string[]
}

export const note = '    note = models.CharField(max_length=50, default="n")\n'
export const shopKey = '    shop = models.ForeignKey(Shop, models.CASCADE, null=True)\n'
export const ref = '    ref = models.CharField(max_length=50, null=True)\n'
export const tags = '    tags = models.ManyToManyField(Shop, related_name="tagged")\n'
export const base = `
class Shop(models.Model):
    name = models.CharField(max_length=20, default="s")
class Order(models.Model):
${shopKey}${note}${ref}${tags}`

/** The base with a part of it replaced. */
export function but(part: string, by: string): string {
  if (!base.includes(part)) throw new Error(`the base has no ${part}`)
  return base.replace(part, by)
}

export function migration(after: string | undefined, operations: string, before = ''): string {
  return `from django.db import migrations, models
import django.db.models.deletion
${before}
class Migration(migrations.Migration):
    initial = ${after === undefined ? 'True' : 'False'}
    dependencies = [${after === undefined ? '' : `("shop", "${after}")`}]
    operations = [${operations}]
`
}

export const first = '0001_initial'
export const next = (operations: string, before?: string) => ({
  '0002_next': migration(first, operations, before),
})
export const initialWith = (noteField: string) =>
  migration(
    undefined,
    `
        migrations.CreateModel("Shop", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20, default="s"))]),
        migrations.CreateModel("Order", [
            ("id", models.BigAutoField(primary_key=True)),
            ("shop", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True)),
            ("note", ${noteField}),
            ("ref", models.CharField(max_length=50, null=True)),
            ("tags", models.ManyToManyField("shop.shop", related_name="tagged")),
        ]),
    `,
  )
const plainInitial = migration(
  undefined,
  'migrations.CreateModel("Shop", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20, default="s"))]), migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)), ("note", models.CharField(max_length=50, default="n"))])',
)
const plain = base.replace(shopKey, '').replace(ref, '').replace(tags, '')
export const initial = initialWith('models.CharField(max_length=50, default="n")')

const inState = (state: string, database = '') =>
  `migrations.SeparateDatabaseAndState(state_operations=[${state}], database_operations=[${database}])`
const noteGone = inState('migrations.RemoveField("order", "note")')
const noteNull =
  'migrations.AlterField("order", "note", models.CharField(max_length=50, null=True))'
export const addColour = (field: string) => next(`migrations.AddField("order", "colour", ${field})`)
export const withColour = (field: string) => but(note, `${note}    colour = ${field}\n`)
const dropBySql = {
  '0003_drop': migration(
    '0002_next',
    'migrations.RunSQL("ALTER TABLE shop_order DROP COLUMN note", migrations.RunSQL.noop)',
  ),
}
const triggerOf = (body: string, when: string, before = '', name = 'own') =>
  `migrations.RunSQL("${before}CREATE FUNCTION ${name}() RETURNS trigger AS $$ BEGIN ${body} END $$ LANGUAGE plpgsql; CREATE TRIGGER ${name} ${when} ON shop_order FOR EACH ROW EXECUTE FUNCTION ${name}()", migrations.RunSQL.noop)`
const asksWho = triggerOf(
  "IF who() IS NULL THEN RAISE 'nobody'; END IF; RETURN NEW;",
  'BEFORE INSERT OR UPDATE',
  "CREATE FUNCTION who() RETURNS text AS $$ SELECT current_setting('app.who', true) $$ LANGUAGE sql; ",
)
/** Each session of a server has a setting that a migration has not. */
const withWho = (models: string) => `import sys
from django.db.backends.signals import connection_created
def begin(connection, **_):
    if "migrate" not in sys.argv:
        connection.cursor().execute("SET app.who = 'web'")
connection_created.connect(begin)
${models}`
/** A migration over rows that were there before the old version: two that are equal. */
const withRows = (operations: string, before?: string, more = '') => ({
  base: {
    '0002_rows': migration(
      first,
      `migrations.RunSQL("INSERT INTO shop_order (note, ref) VALUES ('long enough', 'x'), ('long enough', 'x')${more}")`,
    ),
  },
  migrations: { '0003_next': migration('0002_rows', operations, before) },
})
const looseKey =
  '    shop = models.ForeignKey(Shop, models.CASCADE, null=True, db_constraint=False)\n'
const made = '    made = models.DateTimeField(auto_now_add=True)\n'
const strictAfterFilling = {
  old: but(ref, `${ref}${made}`),
  new: but(ref, `    ref = models.CharField(max_length=50, default="")\n${made}`),
  initial: initial.replace('("tags"', '("made", models.DateTimeField(auto_now_add=True)), ("tags"'),
  migrations: next(
    'migrations.RunPython(fill), migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))',
    'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.update(ref="")\n',
  ),
  running: ['null-refused shop_order.ref'],
  oldFails: ['Order.insert'],
}
/** A time that the code sets to another than that of the row. */
const dated = `    made = models.DateTimeField(default=django.utils.timezone.now)
    def save(self, *args, **options):
        self.made = self.made.replace(year=2019)
        super().save(*args, **options)
`
const utils = 'import django.utils.timezone\n'
/** All that touches a table whose column is gone. */
export const allOfOrder = ['Order.insert', 'Order.read', 'Order.save', 'Order.tags']

export const red = 'models.CharField(max_length=9, default="red")'
const dbRed = 'models.CharField(max_length=9, db_default="red")'
export const maybeRed = 'models.CharField(max_length=9, null=True)'

const strictRef =
  'migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))'
const setsRef = but(
  tags,
  `${tags}    def save(self, *args, **more):
        self.ref = self.ref or "s"
        super().save(*args, **more)
`,
)
const withoutRef = "; INSERT INTO shop_order (note) VALUES ('without')"
const hasRef =
  'migrations.AddConstraint("order", models.CheckConstraint(name="has_ref", **{"condition" if django.VERSION >= (5, 1) else "check": models.Q(ref__isnull=False)}))'
const bySql = (sql: string) => `migrations.RunSQL("${sql}", migrations.RunSQL.noop)`
const functions = 'from django.db.models.functions import *\n'
const computedBy = (expression: string, size: number) =>
  `models.GeneratedField(expression=${expression}, output_field=models.CharField(max_length=${size}), db_persist=True)`
const computed = (name: string, expression: string, size: number) =>
  `migrations.AddField("order", "${name}", ${computedBy(expression, size)})`
const shortNotes = bySql("UPDATE shop_order SET note = 'n'")
const collate = (collation: string, more = '') =>
  `migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", db_collation="${collation}"${more}))`
const loose = `migrations.RunSQL("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)", migrations.RunSQL.noop)`
const searchesNote = but(
  tags,
  `${tags}    def save(self, *args, **more):
        super().save(*args, **more)
        list(Order.objects.filter(note__contains="n"))
`,
)
const lite = `
class Lite(models.Model):
    note = models.CharField(max_length=50, default="l")
    ref = models.CharField(max_length=50, default="l")
    class Meta:
        managed = False
        db_table = "shop_order"
`
/** The migrations name another table. */
const ofEnvironment = (models: string) =>
  `import os\n${models.replace(
    'class Order(models.Model):\n',
    'class Order(models.Model):\n    class Meta: db_table = os.environ.get("ORDERS_TABLE", "orders_live")\n',
  )}`
const noteText = 'models.CharField(max_length=50, default="n")'
const needed = 'import datetime\nfrom django.contrib.postgres.fields import ArrayField\n'
export const deletesRows = 'DELETE FROM shop_order_tags; DELETE FROM shop_order'
const emptied = {
  '0002_none': migration(first, `migrations.RunSQL("${deletesRows}")`),
}
/** The rows are deleted, then the note becomes another field. */
const retyped = (
  from: string,
  to: string,
  more: Partial<Case> & { readonly name: string },
): Case => ({
  old: `${needed}${but(note, `    note = ${from}\n`)}`,
  new: `${needed}${but(note, `    note = ${to}\n`)}`,
  initial: initialWith(from).replace('import django.db', `${needed}import django.db`),
  migrations: {
    ...emptied,
    '0003_next': migration(
      '0002_none',
      `migrations.RemoveField("order", "note"), migrations.AddField("order", "note", ${to})`,
      needed,
    ),
  },
  running: ['retyped shop_order.note'],
  blocked: true,
  oldFails: ['Order.insert'],
  ...(more.blocked === false ? {} : { sureType: true as const }),
  ...more,
})

const checkedBySql = (condition: string) => ({
  migrations: {
    ...emptied,
    '0003_next': migration(
      '0002_none',
      `migrations.RunSQL("ALTER TABLE shop_order ADD COLUMN x int CHECK (${condition})", migrations.RunSQL.noop)`,
    ),
  },
})

const retypings: readonly Case[] = [
  retyped('models.IntegerField(default=1)', 'models.BooleanField(default=True)', {
    name: 'a truth in place of a number',
    way: 'another',
  }),
  retyped(noteText, 'ArrayField(models.CharField(max_length=50), default=list)', {
    name: 'many texts in place of one',
  }),
  retyped(noteText, 'models.DateField(null=True)', { name: 'a date in place of a text' }),
  retyped('models.DateField(default=datetime.date.today)', 'models.DateTimeField(null=True)', {
    name: 'a time in place of a date',
    blocked: false,
    oldFails: [],
  }),
  retyped('models.IntegerField(default=1)', 'models.BigIntegerField(default=1)', {
    name: 'a larger number in place of a number',
    running: [],
    blocked: false,
    oldFails: [],
  }),
]

/** The old version writes by the value of a unique column. */
const uniqueRef = '    ref = models.CharField(max_length=50, null=True, unique=True)\n'
const byRef = (sql = '') => ({
  '0002_by_ref': migration(
    first,
    sql === ''
      ? 'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))'
      : inState(
          'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))',
          `migrations.RunSQL(${JSON.stringify(sql)})`,
        ),
  ),
})
const uniqueOver = (fields: string) =>
  `migrations.AddConstraint("order", models.UniqueConstraint(fields=${fields}, name="once"))`
const upserts = `    def save(self, **options):
        type(self).objects.bulk_create([self], update_conflicts=True, unique_fields=["ref"], update_fields=["note"])
`
const checkOf = (condition: string) =>
  `models.CheckConstraint(name="kept", **{"condition" if django.VERSION >= (5, 1) else "check": ${condition}})`
const onceOf = (more: string) => `models.UniqueConstraint(${more}, name="kept")`
const withMeta = (constraint: string) =>
  `import django\n${but(tags, `${tags}    class Meta:\n        constraints = [${constraint}]\n`)}`
const makes = (constraint: string) => `migrations.AddConstraint("order", ${constraint})`
const takes = 'migrations.RemoveConstraint("order", "kept")'
const refOnce = 'fields=["note"], condition=models.Q(ref="x")'
/** A constraint that is taken away, and one that takes its place, often under the same name. */
const anew = (
  rows: readonly (readonly [
    name: string,
    was: string,
    becomes: string | { readonly operations: string; readonly was?: string },
    running: readonly string[],
    more?: Partial<Case>,
  ])[],
) =>
  rows.map(([name, was, becomes, running, more]): Case => {
    const isOwn = typeof becomes !== 'string'
    const made = isOwn ? (becomes.was ?? makes(was)) : makes(was)
    return {
      name: `a constraint made anew: ${name}`,
      since: 3.1,
      old: isOwn && becomes.was !== undefined ? base : withMeta(was),
      new: isOwn ? base : withMeta(becomes),
      base: { '0002_kept': migration(first, made, 'import django') },
      migrations: {
        '0003_next': migration(
          '0002_kept',
          isOwn ? becomes.operations : `${takes}, ${makes(becomes)}`,
          'import django',
        ),
      },
      running,
      blocked: false,
      oldFails: [],
      ...more,
    }
  })
/** Both versions write equal rows. */
const fails = { oldFails: ['Order.insert'], newFails: ['Order.insert'] }
const stricter = anew([
  [
    'without its condition',
    onceOf(refOnce),
    onceOf('fields=["note"]'),
    ['unique shop_order.note'],
    fails,
  ],
  ['narrower', onceOf('fields=["note"]'), onceOf(refOnce), ['unique-gone shop_order.note']],
  [
    'of other rows',
    onceOf(refOnce),
    onceOf('fields=["note"], condition=models.Q(ref=None)'),
    ['unique shop_order.note'],
    fails,
  ],
  [
    'beside the other',
    onceOf(refOnce),
    { operations: makes(onceOf('fields=["note"]').replace('kept', 'all')) },
    ['unique shop_order.note'],
    fails,
  ],
  [
    'NULL equal to NULL',
    onceOf('fields=["ref"]'),
    onceOf('fields=["ref"], nulls_distinct=False'),
    ['unique shop_order.ref'],
    { since: 5, ...fails },
  ],
  [
    'NULL no longer equal to NULL',
    onceOf('fields=["shop", "ref"], nulls_distinct=False'),
    onceOf('fields=["shop", "ref"]'),
    [],
    { since: 5 },
  ],
  [
    'at once instead of at the end',
    onceOf('fields=["ref"], deferrable=models.Deferrable.DEFERRED'),
    onceOf('fields=["ref"]'),
    ['unique shop_order.ref'],
  ],
  [
    'at the end instead of at once',
    onceOf('fields=["ref"]'),
    onceOf('fields=["ref"], deferrable=models.Deferrable.DEFERRED'),
    ['unique-gone shop_order.ref'],
  ],
  [
    'an expression without its condition',
    onceOf('models.functions.Lower("note"), condition=models.Q(ref="x")'),
    onceOf('models.functions.Lower("note")'),
    ['unique shop_order.kept'],
    { since: 4, ...fails },
  ],
  [
    'the same expression under another name',
    onceOf('models.functions.Lower("ref")'),
    onceOf('models.functions.Lower("ref")').replace('kept', 'other'),
    [],
    { since: 4 },
  ],
  [
    'as unique=True of its field',
    onceOf(refOnce),
    {
      operations: `${takes}, migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", unique=True))`,
    },
    ['unique shop_order.note'],
    {
      ...fails,
      new: but(note, '    note = models.CharField(max_length=50, default="n", unique=True)\n'),
    },
  ],
  [
    'as unique_together',
    onceOf('fields=["note", "ref"], condition=models.Q(ref="x")'),
    { operations: `${takes}, migrations.AlterUniqueTogether("order", {("note", "ref")})` },
    ['unique shop_order.note,ref'],
    { new: `${base}    class Meta: unique_together = [("note", "ref")]\n` },
  ],
  [
    'over more columns',
    onceOf('fields=["ref"]'),
    onceOf('fields=["note", "ref"]'),
    ['unique-gone shop_order.ref'],
  ],
  [
    'with columns that are included',
    onceOf('fields=["ref"]'),
    onceOf('fields=["ref"], include=["note"]'),
    [],
    { since: 3.2 },
  ],
  [
    'the same, first the new one',
    onceOf('fields=["ref"], condition=models.Q(note="n")'),
    {
      operations: `${makes(onceOf('fields=["ref"], condition=models.Q(note="n")').replace('kept', 'other'))}, ${takes}`,
    },
    [],
  ],
  [
    'an index by SQL, without its condition',
    '',
    {
      was: bySql("CREATE UNIQUE INDEX kept ON shop_order (note) WHERE ref = 'x'"),
      operations: bySql('DROP INDEX kept; CREATE UNIQUE INDEX kept ON shop_order (note)'),
    },
    ['unique shop_order.note'],
    fails,
  ],
  [
    'an index by SQL, built again',
    '',
    {
      was: bySql("CREATE UNIQUE INDEX kept ON shop_order (note) WHERE ref = 'x'"),
      operations: bySql(
        "CREATE UNIQUE INDEX other ON shop_order (note) WHERE ref = 'x'; DROP INDEX kept",
      ),
    },
    [],
  ],
  [
    'another check under its name',
    checkOf('~models.Q(note="zz")'),
    checkOf('~models.Q(note="n")'),
    ['check shop_order.kept'],
    { coming: ['rows-refuse shop_order'], blocked: true },
  ],
  [
    'another check under its name, after a step that changes the rows',
    checkOf('~models.Q(note="zz")'),
    {
      operations: `${bySql("UPDATE shop_order SET note = 'm'")}, ${takes}, ${makes(checkOf('~models.Q(note="n")'))}`,
    },
    ['check shop_order.kept'],
    { blocked: true, new: withMeta(checkOf('~models.Q(note="n")')), ...fails },
  ],
  [
    'a check that takes more values',
    checkOf('models.Q(note__in=["n", "m"])'),
    checkOf('models.Q(note__in=["n", "m", "o"])'),
    [],
  ],
  [
    'a check that takes fewer values',
    checkOf('models.Q(note__in=["n", "m"])'),
    checkOf('models.Q(note__in=["n"])'),
    ['check shop_order.kept'],
  ],
  [
    'a check with a limit that is closer',
    checkOf('models.Q(id__gte=0) & ~models.Q(note="m")'),
    checkOf('models.Q(id__gt=0)'),
    ['check shop_order.kept'],
  ],
  [
    'a check with a wider limit',
    checkOf('models.Q(id__gte=1) & ~models.Q(note="m")'),
    checkOf('models.Q(id__gte=0) | models.Q(ref="x")'),
    [],
  ],
  [
    'the same check under another name',
    checkOf('~models.Q(note="zz")'),
    checkOf('~models.Q(note="zz")').replace('kept', 'other'),
    [],
  ],
  [
    'another check by SQL',
    '',
    {
      was: bySql("ALTER TABLE shop_order ADD CONSTRAINT kept CHECK (note <> 'zz' AND id > 0)"),
      operations: bySql(
        "ALTER TABLE shop_order DROP CONSTRAINT kept, ADD CONSTRAINT kept CHECK (note <> 'yy' AND id > 0)",
      ),
    },
    ['check shop_order.kept'],
  ],
  [
    'the same check by SQL',
    '',
    {
      was: bySql("ALTER TABLE shop_order ADD CONSTRAINT kept CHECK (note <> 'zz' AND id > 0)"),
      operations: bySql(
        "ALTER TABLE shop_order DROP CONSTRAINT kept; ALTER TABLE shop_order ADD CONSTRAINT kept CHECK (note <> 'zz' AND id > 0)",
      ),
    },
    [],
  ],
])
/** Numbers of shops that are not their primary keys. */
const numbered = base.replace(
  'class Order',
  '    number = models.BigIntegerField(null=True, unique=True)\nclass Order',
)
const addNumber =
  'migrations.AddField("shop", "number", models.BigIntegerField(null=True, unique=True))'
const keyTo = (more: string) =>
  `migrations.AlterField("order", "shop", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True${more}))`
const withShop =
  '    def save(self, *args, **options):\n        self.shop = Shop.objects.first()\n        super().save(*args, **options)\n'
const retargeted = (
  rows: readonly (readonly [string, string, readonly string[], Partial<Case>?])[],
) =>
  rows.map(([name, operations, running, more]): Case => ({
    name: `a foreign key ${name}`,
    old: `${numbered}${withShop}`,
    new: numbered.replace('models.CASCADE, null', 'models.CASCADE, to_field="number", null'),
    base: { '0002_number': migration(first, addNumber) },
    migrations: { '0003_next': migration('0002_number', operations) },
    running,
    coming: running.length > 0 ? ['rows-refuse shop_order.shop_id'] : [],
    blocked: running.length > 0,
    oldFails: [],
    ...more,
  }))
const toOther = retargeted([
  [
    'to another column of its table',
    keyTo(', to_field="number"'),
    ['fk-added shop_order.shop_id'],
    // It is not applied: the new code does not find the rows of a shop.
    { newFails: ['Shop.delete'] },
  ],
  [
    'to another column of its table, after a step that changes the rows',
    `${bySql('UPDATE shop_order SET shop_id = NULL')}, ${keyTo(', to_field="number"')}`,
    ['fk-added shop_order.shop_id'],
    { coming: [], oldFails: ['Order.insert', 'Order.save'] },
  ],
  [
    'to another column of its table by SQL',
    bySql(
      "DO $$ DECLARE c text; BEGIN SELECT conname INTO c FROM pg_constraint WHERE contype = 'f' AND conrelid = to_regclass('shop_order'); EXECUTE 'ALTER TABLE shop_order DROP CONSTRAINT ' || c; END $$; ALTER TABLE shop_order ADD CONSTRAINT other FOREIGN KEY (shop_id) REFERENCES shop_shop (number) NOT VALID",
    ),
    ['fk-added shop_order.shop_id', 'unread shop.0003_next'],
    { coming: [], oldFails: ['Order.insert'] },
  ],
  [
    'made anew by SQL',
    bySql(
      'ALTER TABLE shop_order ADD CONSTRAINT other FOREIGN KEY (shop_id) REFERENCES shop_shop DEFERRABLE INITIALLY DEFERRED',
    ),
    [],
    { new: numbered },
  ],
  ['with to_field of its primary key', keyTo(', to_field="id"'), [], { new: numbered }],
])
const addsColour = (field: string) => `migrations.AddField("order", "colour", ${field})`
const bothOnce = 'models.UniqueConstraint(fields=["note", "colour"], name="kept")'
const fillsColour = bySql("UPDATE shop_order SET colour = 'red'")
/** A constraint over a column that is new, too: the running version does not set it. */
const overNew = (
  rows: readonly (readonly [
    name: string,
    operations: string,
    running: readonly string[],
    more: Partial<Case>,
  ])[],
) =>
  rows.map(([name, operations, running, more]): Case => ({
    name: `a constraint over a new column: ${name}`,
    old: base,
    new: withColour(red),
    migrations: next(operations, 'import django\n'),
    running,
    blocked: true,
    oldFails: ['Order.insert'],
    ...more,
  }))
const hasColour = makes(checkOf('models.Q(colour__isnull=False)'))
const newConstraints = overNew([
  [
    'a check that refuses NULL',
    `${addsColour(maybeRed)}, ${hasColour}`,
    ['check shop_order.kept'],
    { new: base, coming: ['rows-refuse shop_order'], oldFails: [] },
  ],
  [
    'a check that refuses NULL, after a step that fills the rows',
    `${addsColour(maybeRed)}, ${fillsColour}, ${hasColour}`,
    ['check shop_order.kept'],
    {},
  ],
  [
    'a check that refuses NULL, after the default of its rows',
    `${addsColour('models.CharField(max_length=9, null=True, default="red")')}, ${hasColour}`,
    ['check shop_order.kept'],
    {},
  ],
  [
    'a check of it and another column',
    `${addsColour(maybeRed)}, ${fillsColour}, ${makes(checkOf('models.Q(colour__isnull=False) | models.Q(note="m")'))}`,
    ['check shop_order.kept'],
    {},
  ],
  [
    'a check that NULL passes',
    `${addsColour(maybeRed)}, ${makes(checkOf('models.Q(colour__in=["red", "blue"])'))}`,
    [],
    { blocked: false, oldFails: [] },
  ],
  [
    'a check that refuses NULL, by SQL',
    `${bySql('ALTER TABLE shop_order ADD COLUMN colour varchar(9)')}, ${fillsColour}, ${bySql('ALTER TABLE shop_order ADD CONSTRAINT kept CHECK (colour IS NOT NULL)')}`,
    ['check shop_order.kept'],
    { new: base, newFails: ['Order.insert'] },
  ],
  [
    'a check that its database default passes',
    `${addsColour(dbRed)}, ${hasColour}`,
    [],
    { since: 5, blocked: false, oldFails: [], new: withColour(dbRed) },
  ],
  [
    'a check that its database default breaks',
    `${addsColour(dbRed)}, ${fillsColour.replace('red', 'blue')}, ${makes(checkOf('~models.Q(colour="red")'))}`,
    ['check shop_order.kept'],
    { since: 5, new: withColour(dbRed), newFails: ['Order.insert'] },
  ],
  [
    'unique with its database default',
    `${addsColour(dbRed)}, ${fillsColour.replace("'red'", "'c' || id")}, ${makes(bothOnce)}`,
    ['unique shop_order.colour,note'],
    {
      since: 5,
      new: withColour(dbRed),
      oldFails: ['Order.insert', 'Order.save'],
      newFails: ['Order.insert'],
      old: `${base}    def save(self, *args, **options):\n        super().save(*args, **options)\n        Order.objects.bulk_create([Order(), Order()])\n`,
    },
  ],
  [
    'unique with NULL, which is equal to nothing',
    `${addsColour(maybeRed)}, ${makes(bothOnce)}`,
    [],
    { blocked: false, oldFails: [], new: withColour(maybeRed) },
  ],
])
const byUnique = (rows: readonly (readonly [string, string, string?])[]) =>
  rows.map(([how, operations, made]): Case => ({
    name: `a unique constraint by which the old code writes, dropped by ${how}`,
    since: 5,
    old: but(ref, `${uniqueRef}${upserts}`),
    new: base,
    base: byRef(made),
    migrations: { '0003_next': migration('0002_by_ref', operations) },
    running: ['unique-gone shop_order.ref'],
    blocked: true,
    byCode: true,
    oldFails: ['Order.insert', 'Order.save'],
  }))

export const cases: readonly Case[] = [
  {
    name: 'NOT NULL with a Python default',
    old: base,
    new: withColour(red),
    migrations: addColour(red),
    running: ['insert-refused shop_order.colour'],
    way: 'another',
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'its twin: db_default',
    since: 5,
    old: base,
    new: withColour(dbRed),
    migrations: addColour(dbRed),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'its twin: nullable',
    old: base,
    new: withColour(maybeRed),
    migrations: addColour(maybeRed),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'RemoveField',
    old: base,
    new: but(note, ''),
    migrations: next('migrations.RemoveField("order", "note")'),
    way: 'same',
    running: ['column-gone shop_order.note'],
    blocked: true,
    oldFails: allOfOrder,
  },
  {
    name: 'its twin, first release: from the state only, and nullable',
    old: base,
    new: but(note, ''),
    migrations: next(`${noteNull}, ${noteGone}`),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'its twin, second release: dropped by SQL',
    old: but(note, ''),
    new: but(note, ''),
    base: next(`${noteNull}, ${noteGone}`),
    migrations: dropBySql,
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'the same drop after the first release was undone',
    old: base,
    new: but(note, ''),
    base: next(`${noteNull}, ${noteGone}`),
    migrations: dropBySql,
    running: ['column-gone shop_order.note'],
    byState: [],
    blocked: true,
    oldFails: allOfOrder,
  },
  {
    name: 'from the state only, NOT NULL left behind',
    old: base,
    new: but(note, ''),
    migrations: next(noteGone),
    running: [],
    coming: ['insert-refused shop_order.note'],
    blocked: true,
    oldFails: [],
    newFails: ['Order.insert'],
    way: 'another',
  },
  {
    name: 'from the state only, a foreign key left behind',
    old: base,
    new: but(shopKey, ''),
    migrations: next(inState('migrations.RemoveField("order", "shop")')),
    running: [],
    coming: ['delete-refused shop_order.shop_id'],
    blocked: true,
    oldFails: [],
    newFails: ['Shop.delete'],
    way: 'another',
  },
  {
    name: 'RenameModel, the table kept, with a many-to-many field',
    old: base,
    new: base.replace(
      'class Order(models.Model):',
      'class Sale(models.Model):\n    class Meta: db_table = "shop_order"',
    ),
    migrations: next(
      'migrations.AlterModelTable("order", "shop_order"), migrations.RenameModel("Order", "Sale")',
    ),
    running: ['column-gone shop_order_tags.order_id'],
    blocked: true,
    oldFails: ['Order.tags'],
  },
  {
    name: 'RenameField',
    old: base,
    new: but('    note =', '    text ='),
    migrations: next('migrations.RenameField("order", "note", "text")'),
    running: ['column-gone shop_order.note'],
    way: 'another',
    blocked: true,
    oldFails: allOfOrder,
  },
  {
    name: 'its twin: db_column',
    old: base,
    new: but(note, '    text = models.CharField(max_length=50, default="n", db_column="note")\n'),
    migrations: next(
      'migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", db_column="note")), migrations.RenameField("order", "note", "text")',
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'NULL to NOT NULL while the old code writes NULL',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))',
    ),
    way: 'same',
    running: ['null-refused shop_order.ref'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'NULL to NOT NULL while the old code writes NULL in spite of its default',
    old: but(
      ref,
      '    ref = models.CharField(max_length=50, null=True, default="r")\n    def save(self, *args, **options):\n        self.ref = None\n        super().save(*args, **options)\n',
    ),
    new: but(ref, '    ref = models.CharField(max_length=50, default="r")\n'),
    migrations: next(
      'migrations.RunSQL("UPDATE shop_order SET ref = \'r\'"), migrations.AlterField("order", "ref", models.CharField(max_length=50, default="r"))',
    ),
    running: ['null-refused shop_order.ref'],
    blocked: true,
    oldFails: ['Order.insert', 'Order.save'],
  },
  {
    name: 'a larger primary key, to which others refer',
    old: base,
    new: base,
    initial: initial.replaceAll(
      'models.BigAutoField(primary_key=True)',
      'models.AutoField(primary_key=True)',
    ),
    migrations: next(
      'migrations.AlterField("shop", "id", models.BigAutoField(primary_key=True)), migrations.AlterField("order", "id", models.BigAutoField(primary_key=True))',
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'unique over what the old code writes twice',
    old: base,
    new: but(note, '    note = models.CharField(max_length=50, default="n", unique=True)\n'),
    migrations: next(
      'migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", unique=True))',
    ),
    running: ['unique shop_order.note'],
    blocked: false,
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'narrowed from 50 to 5',
    old: base,
    new: but(note, '    note = models.CharField(max_length=5, default="n")\n'),
    migrations: next(
      'migrations.AlterField("order", "note", models.CharField(max_length=5, default="n"))',
    ),
    way: 'same',
    running: ['narrowed shop_order.note'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'choices, help_text, default, on_delete',
    old: base,
    new: but(
      note,
      '    note = models.CharField(max_length=50, default="m", choices=[("n", "N")], help_text="h")\n',
    ),
    migrations: next(
      'migrations.AlterField("order", "note", models.CharField(max_length=50, default="m", choices=[("n", "N")], help_text="h")), migrations.AlterField("order", "shop", models.ForeignKey("shop.shop", django.db.models.deletion.SET_NULL, null=True))',
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'DeleteModel',
    old: base,
    new: base.split('class Order')[0] ?? '',
    migrations: next('migrations.DeleteModel("Order")'),
    running: ['table-gone shop_order', 'table-gone shop_order_tags'],
    way: 'same',
    blocked: true,
    oldFails: allOfOrder,
  },
  {
    name: 'a table renamed, a view in its place',
    old: base,
    new: base
      .replace(
        'class Order(models.Model):',
        'class Order(models.Model):\n    class Meta: db_table = "orders"',
      )
      .replace(
        'tags = models.ManyToManyField(Shop, related_name',
        'tags = models.ManyToManyField(Shop, db_table="shop_order_tags", related_name',
      ),
    migrations: next(
      inState(
        'migrations.AlterField("order", "tags", models.ManyToManyField("shop.shop", db_table="shop_order_tags", related_name="tagged")), migrations.AlterModelTable("order", "orders")',
        'migrations.RunSQL("ALTER TABLE shop_order RENAME TO orders; CREATE VIEW shop_order AS SELECT * FROM orders", migrations.RunSQL.noop)',
      ),
    ),
    running: ['view shop_order'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'the database default dropped',
    since: 5,
    old: but(note, '    note = models.CharField(max_length=50, db_default="n")\n'),
    new: base,
    initial: initialWith('models.CharField(max_length=50, db_default="n")'),
    migrations: next(
      'migrations.AlterField("order", "note", models.CharField(max_length=50, default="n"))',
    ),
    way: 'same',
    running: ['default-gone shop_order.note'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'a through model of its own with a new NOT NULL column',
    old: base,
    new: `${but(tags, '    tags = models.ManyToManyField(Shop, through="Tag", related_name="tagged")\n')}class Tag(models.Model):
    order = models.ForeignKey(Order, models.CASCADE)
    shop = models.ForeignKey(Shop, models.CASCADE)
    weight = models.IntegerField(default=1)
    class Meta: db_table = "shop_order_tags"
`,
    migrations: next(
      `${inState('migrations.CreateModel("Tag", [("id", models.BigAutoField(primary_key=True)), ("order", models.ForeignKey("shop.order", django.db.models.deletion.CASCADE)), ("shop", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE))], options={"db_table": "shop_order_tags"}), migrations.AlterField("order", "tags", models.ManyToManyField("shop.shop", through="shop.Tag", related_name="tagged"))')}, migrations.AddField("tag", "weight", models.IntegerField(default=1))`,
    ),
    running: ['insert-refused shop_order_tags.weight'],
    blocked: true,
    oldFails: ['Order.tags'],
    newFails: ['Tag.insert'],
  },
  {
    name: 'a nullable column and a step in Python',
    old: base,
    new: withColour(maybeRed),
    migrations: next(
      `migrations.AddField("order", "colour", ${maybeRed}), migrations.RunPython(fill, migrations.RunPython.noop)`,
      'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.update(colour="x")\n',
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a column dropped by a step in Python',
    old: base,
    new: but(note, ''),
    migrations: next(
      `${noteGone}, migrations.RunPython(drop, migrations.RunPython.noop)`,
      'def drop(apps, editor):\n    editor.execute("ALTER TABLE shop_order ALTER COLUMN note DROP NOT NULL")\n    editor.execute("ALTER TABLE shop_order DROP COLUMN note")\n',
    ),
    running: [],
    coming: ['insert-refused shop_order.note'],
    blocked: true,
    oldFails: allOfOrder,
    unpredicted: ['column-gone shop_order.note'],
  },
  {
    name: 'a column dropped by a step in Python alone',
    // Before, a deletion reads all columns of what it takes along.
    since: 3.2,
    old: base,
    new: base,
    migrations: next(
      'migrations.RunPython(drop, migrations.RunPython.noop)',
      'def drop(apps, editor):\n    editor.execute("ALTER TABLE shop_order DROP COLUMN note")\n',
    ),
    running: [],
    blocked: false,
    refused: ['write-refused shop_order: SELECT: column "note" does not exist'],
    oldFails: allOfOrder,
    newFails: allOfOrder,
    unpredicted: ['column-gone shop_order.note'],
  },
  {
    name: 'a NOT NULL column added by a step in Python alone',
    old: base,
    new: base,
    migrations: next(
      'migrations.RunPython(add, migrations.RunPython.noop)',
      'def add(apps, editor):\n    editor.execute("ALTER TABLE shop_order ADD COLUMN code int NOT NULL DEFAULT 1")\n    editor.execute("ALTER TABLE shop_order ALTER COLUMN code DROP DEFAULT")\n',
    ),
    running: [],
    blocked: false,
    refused: ['write-refused shop_order: INSERT: column "code" is NOT NULL without a default'],
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
    unpredicted: ['insert-refused shop_order.code'],
  },
  {
    name: 'a column dropped by a function that SQL calls',
    // As above.
    since: 3.2,
    old: base,
    new: base,
    base: {
      '0002_tidy': migration(
        first,
        'migrations.RunSQL("CREATE FUNCTION tidy() RETURNS void AS $$ ALTER TABLE shop_order DROP COLUMN note $$ LANGUAGE sql")',
      ),
    },
    migrations: { '0003_next': migration('0002_tidy', 'migrations.RunSQL("SELECT tidy()")') },
    running: [],
    blocked: false,
    refused: ['write-refused shop_order: SELECT: column "note" does not exist'],
    oldFails: allOfOrder,
    newFails: allOfOrder,
    unpredicted: ['column-gone shop_order.note'],
  },
  {
    name: 'SQL that cannot be read, of another operation',
    old: base,
    new: base,
    migrations: next(
      "migrations.RunSQL(\"DO 'BEGIN EXECUTE ''ALTER TABLE shop_order ADD COLUMN extra int NOT NULL DEFAULT 1''; END'\", migrations.RunSQL.noop)",
    ),
    running: ['unread shop.0002_next'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a model removed from the state only',
    old: base,
    new: base.split('class Order')[0] ?? '',
    migrations: next(inState('migrations.DeleteModel("Order")')),
    running: [],
    coming: ['delete-refused shop_order.shop_id', 'delete-refused shop_order_tags.shop_id'],
    blocked: true,
    oldFails: [],
    newFails: ['Shop.delete'],
  },
  {
    name: 'an operation of another package',
    old: base,
    new: withColour(red),
    migrations: next(
      `Quiet("order", "colour", ${red})`,
      'class Quiet(migrations.AddField):\n    def database_forwards(self, *args):\n        super().database_forwards(*args)\n',
    ),
    running: ['insert-refused shop_order.colour'],
    way: 'another',
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'NOT NULL made safe by SQL in the same file',
    old: base,
    new: withColour(red),
    migrations: next(
      `migrations.AddField("order", "colour", ${red}), migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN colour SET DEFAULT 'red'", migrations.RunSQL.noop)`,
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'NULL to NOT NULL where the old code has a default',
    old: but(ref, '    ref = models.CharField(max_length=50, null=True, default="r")\n'),
    new: but(ref, '    ref = models.CharField(max_length=50, default="r")\n'),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, default="r"))',
    ),
    way: 'same',
    running: ['null-refused shop_order.ref'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a check, and unique together',
    old: base,
    new: base,
    migrations: next(
      `migrations.AddConstraint("order", models.CheckConstraint(name="kept", **{"condition" if django.VERSION >= (5, 1) else "check": models.Q(note="n")})), migrations.AlterUniqueTogether("order", {("id", "note")})`,
      'import django\n',
    ),
    // The primary key alone refuses all that the second one does.
    running: ['check shop_order.kept'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a field without a migration',
    // Before, a deletion reads all columns of what it also deletes.
    since: 3,
    old: base,
    new: withColour(red),
    migrations: {},
    running: [],
    coming: ['column-gone shop_order.colour'],
    blocked: true,
    oldFails: [],
    newFails: allOfOrder,
  },
  {
    name: 'a table whose name the environment gives',
    since: 3,
    old: ofEnvironment(plain),
    new: ofEnvironment(plain.replace(note, `${note}    colour = ${red}\n`)),
    initial: plainInitial,
    base: {
      '0002_live': migration(
        first,
        'migrations.RunSQL("CREATE TABLE orders_live (LIKE shop_order INCLUDING ALL)")',
      ),
    },
    migrations: {
      '0003_next': migration('0002_live', `migrations.AddField("order", "colour", ${red})`),
    },
    running: [],
    byState: ['insert-refused shop_order.colour'],
    coming: ['column-gone orders_live.colour'],
    blocked: true,
    oldFails: [],
    newFails: ['Order.insert', 'Order.read', 'Order.save'],
  },
  {
    name: 'a table made by SQL for a model of the state',
    old: base,
    new: `${base}class Note(models.Model):
    text = models.TextField()
`,
    migrations: next(
      inState(
        'migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())])',
        'migrations.RunSQL("CREATE TABLE shop_note (id bigserial PRIMARY KEY, text text NOT NULL)", "DROP TABLE shop_note")',
      ),
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a table made by a step in Python for a model of the state',
    old: base,
    new: `${base}class Note(models.Model):
    text = models.TextField()
`,
    migrations: next(
      `${inState('migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())])')}, migrations.RunPython(make, migrations.RunPython.noop)`,
      'def make(apps, editor):\n    editor.create_model(apps.get_model("shop", "Note"))\n',
    ),
    running: [],
    coming: ['table-gone shop_note'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a model of a new view',
    old: base,
    new: `${base}class Total(models.Model):
    name = models.CharField(max_length=20)
    class Meta:
        managed = False
        db_table = "shop_total"
`,
    migrations: next(
      'migrations.RunSQL("CREATE VIEW shop_total AS SELECT id, name FROM shop_shop", "DROP VIEW shop_total")',
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a many-to-many field removed',
    old: base,
    new: but(tags, ''),
    migrations: next('migrations.RemoveField("order", "tags")'),
    running: ['table-gone shop_order_tags'],
    way: 'same',
    blocked: true,
    oldFails: ['Order.tags'],
  },
  {
    name: 'RenameModel',
    old: plain,
    new: plain.replace('class Order', 'class Sale'),
    initial: plainInitial,
    migrations: next('migrations.RenameModel("Order", "Sale")'),
    running: ['table-gone shop_order'],
    way: 'another',
    blocked: true,
    oldFails: ['Order.insert', 'Order.read', 'Order.save'],
  },
  {
    name: 'a field that has no internal type',
    old: base,
    new: `class Odd(models.Field):
    def get_internal_type(self): return None
    def db_type(self, connection): return "varchar(9)"
${withColour('Odd(null=True)')}`,
    migrations: next(
      'migrations.AddField("order", "colour", Odd(null=True))',
      'from shop.models import Odd\n',
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a model of a table whose server does not answer',
    old: base,
    new: `${withColour(maybeRed)}class Far(models.Model):
    name = models.CharField(max_length=20)
    class Meta:
        managed = False
        db_table = "shop_far"
`,
    base: {
      '0002_far': migration(
        first,
        `migrations.RunSQL("CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1'); CREATE USER MAPPING FOR CURRENT_USER SERVER far; CREATE FOREIGN TABLE shop_far (id bigint, name text) SERVER far")`,
      ),
    },
    migrations: {
      '0003_colour': migration('0002_far', `migrations.AddField("order", "colour", ${maybeRed})`),
    },
    running: [],
    blocked: false,
    oldFails: [],
    newFails: ['Far.insert', 'Far.read', 'Far.save'],
  },
  {
    name: 'NULL to NOT NULL after a step that fills the rows',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    migrations: next(
      'migrations.RunPython(fill), migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))',
      'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.update(ref="")\n',
    ),
    running: ['null-refused shop_order.ref'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'NULL to NOT NULL after a step that fills the rows, which are older than the old version',
    ...strictAfterFilling,
    live: 'after',
    blocked: false,
  },
  {
    name: 'NULL to NOT NULL after a step that fills the rows, which are younger than the old version',
    ...strictAfterFilling,
    live: 'before',
    blocked: true,
  },
  {
    name: 'NULL to NOT NULL after a step that fills the rows, which the old version dates back',
    ...strictAfterFilling,
    old: `${utils}${but(ref, `${ref}${dated}`)}`,
    new: `${utils}${but(ref, `    ref = models.CharField(max_length=50, default="")\n${dated}`)}`,
    live: 'before',
    blocked: true,
  },
  {
    name: 'NULL to NOT NULL by SQL that fills the rows',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    migrations: next(
      inState(
        'migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))',
        `migrations.RunSQL("UPDATE shop_order SET ref = ''; ALTER TABLE shop_order ALTER ref SET NOT NULL")`,
      ),
    ),
    running: ['null-refused shop_order.ref'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'a table of another schema dropped',
    old: base,
    new: base,
    base: {
      '0002_other': migration(
        first,
        'migrations.RunSQL("CREATE SCHEMA other; CREATE TABLE other.shop_order (id int)")',
      ),
    },
    migrations: {
      '0003_drop': migration(
        '0002_other',
        'migrations.RunSQL("DROP TABLE other.shop_order CASCADE")',
      ),
    },
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a column dropped by SQL in capital letters',
    old: base,
    new: but(note, ''),
    migrations: next(
      inState(
        'migrations.RemoveField("order", "note")',
        'migrations.RunSQL("ALTER TABLE Public.Shop_Order DROP COLUMN NOTE")',
      ),
    ),
    running: ['column-gone shop_order.note'],
    blocked: true,
    oldFails: allOfOrder,
  },
  {
    name: 'a column that the database computes from now on',
    since: 5,
    old: base,
    new: but(
      note,
      '    note = models.GeneratedField(expression=models.F("ref"), output_field=models.CharField(max_length=50), db_persist=True)\n',
    ),
    migrations: next(
      'migrations.RemoveField("order", "note"), migrations.AddField("order", "note", models.GeneratedField(expression=models.F("ref"), output_field=models.CharField(max_length=50), db_persist=True))',
    ),
    way: 'another',
    running: ['generated shop_order.note'],
    blocked: true,
    oldFails: ['Order.insert', 'Order.save'],
  },
  {
    name: 'numbers of new rows no longer by the database',
    since: 5,
    old: plain,
    new: plain.replace(
      'class Order(models.Model):',
      'class Order(models.Model):\n    id = models.BigIntegerField(primary_key=True)',
    ),
    initial: plainInitial,
    migrations: next(
      'migrations.AlterField("order", "id", models.BigIntegerField(primary_key=True))',
    ),
    running: ['default-gone shop_order.id'],
    blocked: true,
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'a foreign key to another table',
    old: base,
    new: but('    shop = models.ForeignKey(Shop,', '    shop = models.ForeignKey(Market,').replace(
      'class Order',
      'class Market(models.Model):\n    name = models.CharField(max_length=20, default="s")\nclass Order',
    ),
    migrations: next(
      `migrations.CreateModel("Market", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20, default="s"))]), migrations.RunSQL("INSERT INTO shop_market SELECT id, name FROM shop_shop; SELECT setval(pg_get_serial_sequence('shop_market', 'id'), 100)"), migrations.AlterField("order", "shop", models.ForeignKey("shop.market", django.db.models.deletion.CASCADE, null=True))`,
    ),
    running: ['fk-added shop_order.shop_id'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'unique over rows that are equal',
    old: base,
    new: but(note, '    note = models.CharField(max_length=50, default="n", unique=True)\n'),
    ...withRows(
      'migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", unique=True))',
    ),
    running: ['unique shop_order.note'],
    coming: ['rows-refuse shop_order.note'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'unique over rows that a step before makes different',
    old: base,
    new: base,
    ...withRows(
      `migrations.RunSQL("UPDATE shop_order SET note = id || 'n'", migrations.RunSQL.noop), migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", unique=True))`,
    ),
    running: ['unique shop_order.note'],
    blocked: false,
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'unique over equal rows that a step before deletes',
    old: base,
    new: base,
    ...withRows(
      'migrations.RunSQL("DELETE FROM shop_order a USING shop_order b WHERE a.id > b.id AND a.note = b.note", migrations.RunSQL.noop), migrations.AlterField("order", "note", models.CharField(max_length=50, default="n", unique=True))',
    ),
    running: ['unique shop_order.note'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'unique under a condition that equal rows do not meet, and one that they meet',
    old: base,
    new: base,
    ...withRows(
      'migrations.AddConstraint("order", models.UniqueConstraint(fields=["ref"], condition=models.Q(note="x"), name="fits")), migrations.AddConstraint("order", models.UniqueConstraint(fields=["ref", "note"], condition=models.Q(note="long enough"), name="full"))',
    ),
    running: ['unique shop_order.note,ref', 'unique shop_order.ref'],
    coming: ['rows-refuse shop_order.note,ref'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a unique column with one value for all rows',
    since: 5,
    old: base,
    new: base,
    ...withRows(
      'migrations.AddField("order", "colour", models.CharField(max_length=9, db_default="red", unique=True))',
    ),
    running: ['unique shop_order.colour'],
    coming: ['rows-refuse shop_order'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'NOT NULL over rows without a value',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50)\n'),
    ...withRows('migrations.AlterField("order", "ref", models.CharField(max_length=50))'),
    running: ['null-refused shop_order.ref'],
    coming: ['rows-refuse shop_order.ref'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a check that rows break',
    old: base,
    new: base,
    ...withRows(
      `migrations.AddConstraint("order", models.CheckConstraint(name="short", **{"condition" if django.VERSION >= (5, 1) else "check": ~models.Q(note__startswith="long")})), migrations.AddConstraint("order", models.CheckConstraint(name="kept", **{"condition" if django.VERSION >= (5, 1) else "check": ~models.Q(ref="100%")}))`,
      'import django\n',
    ),
    running: ['check shop_order.kept', 'check shop_order.short'],
    coming: ['rows-refuse shop_order'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a check with a percent sign that all rows keep, and a unique condition that none meets twice',
    // Before, Django gives its constraints two percent signs.
    since: 5,
    old: base,
    new: base,
    ...withRows(
      `migrations.AddConstraint("order", models.CheckConstraint(name="kept", **{"condition" if django.VERSION >= (5, 1) else "check": models.Q(ref="100%")})), migrations.AddConstraint("order", models.UniqueConstraint(fields=["note"], condition=models.Q(ref__lt="100%"), name="fits"))`,
      'import django\n',
      "; UPDATE shop_order SET ref = '100%'",
    ),
    running: ['check shop_order.kept', 'unique shop_order.note'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a foreign key to rows that do not exist',
    old: but(shopKey, looseKey),
    new: base,
    initial: initialWith('models.CharField(max_length=50, default="n")').replace(
      'CASCADE, null=True',
      'CASCADE, null=True, db_constraint=False',
    ),
    ...withRows(
      'migrations.AlterField("order", "shop", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True))',
      undefined,
      '; INSERT INTO shop_order (note, shop_id) VALUES (1, 999)',
    ),
    running: ['fk-added shop_order.shop_id'],
    coming: ['rows-refuse shop_order.shop_id'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'narrowed under the longest value',
    old: base,
    new: but(note, '    note = models.CharField(max_length=5, default="n")\n'),
    ...withRows(
      'migrations.AlterField("order", "note", models.CharField(max_length=5, default="n"))',
    ),
    running: ['narrowed shop_order.note'],
    coming: ['rows-refuse shop_order.note'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a column that a view reads',
    old: base,
    new: but(ref, '    ref = models.TextField(null=True)\n'),
    base: {
      '0002_view': migration(
        first,
        'migrations.RunSQL("CREATE VIEW shop_refs AS SELECT ref FROM shop_order")',
      ),
    },
    migrations: {
      '0003_text': migration(
        '0002_view',
        'migrations.AlterField("order", "ref", models.TextField(null=True))',
      ),
    },
    way: 'another',
    running: [],
    coming: ['view-gone shop_order.ref'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a column that a view reads, which the migration makes again',
    old: base,
    new: but(ref, '    ref = models.TextField(null=True)\n'),
    base: {
      '0002_view': migration(
        first,
        'migrations.RunSQL("CREATE VIEW shop_refs AS SELECT ref FROM shop_order")',
      ),
    },
    migrations: {
      '0003_text': migration(
        '0002_view',
        'migrations.RunSQL("DROP VIEW shop_refs"), migrations.AlterField("order", "ref", models.TextField(null=True)), migrations.RunSQL("CREATE VIEW shop_refs AS SELECT ref FROM shop_order")',
      ),
    },
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a column that a view reads, which code makes again',
    old: base,
    new: but(ref, '    ref = models.TextField(null=True)\n'),
    base: {
      '0002_view': migration(
        first,
        'migrations.RunSQL("CREATE VIEW shop_refs AS SELECT ref FROM shop_order")',
      ),
    },
    migrations: {
      '0003_text': migration(
        '0002_view',
        'migrations.RunPython(lambda apps, editor: editor.execute("DROP VIEW shop_refs")), migrations.AlterField("order", "ref", models.TextField(null=True)), migrations.RunPython(lambda apps, editor: editor.execute("CREATE VIEW shop_refs AS SELECT ref FROM shop_order"))',
      ),
    },
    running: [],
    blocked: false,
    oldFails: [],
  },
  ...stricter,
  ...toOther,
  ...newConstraints,
  ...byUnique([
    [
      'the field',
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True))',
    ],
    [
      'a constraint with one more column',
      `migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True)), ${uniqueOver('["ref", "note"]')}`,
    ],
    [
      'SQL',
      'migrations.RunSQL("DROP INDEX by_ref")',
      'CREATE UNIQUE INDEX by_ref ON shop_order (ref)',
    ],
  ]),
  {
    name: 'a unique field made a constraint of the same columns',
    old: but(ref, uniqueRef),
    new: base,
    base: byRef(),
    migrations: {
      '0003_next': migration(
        '0002_by_ref',
        `migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True)), ${uniqueOver('["ref"]')}`,
      ),
    },
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a trigger',
    old: base,
    new: base,
    migrations: next(
      'migrations.RunSQL("CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE \'no\'; END $$ LANGUAGE plpgsql; CREATE TRIGGER refuse BEFORE INSERT ON shop_order EXECUTE FUNCTION refuse()")',
    ),
    running: ['unread shop.0002_next'],
    blocked: false,
    refused: ['write-refused shop_order: INSERT: no'],
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'a function that drops a column, and its call',
    old: base,
    new: but(note, ''),
    migrations: next(
      inState(
        'migrations.RemoveField("order", "note")',
        'migrations.RunSQL("CREATE FUNCTION away() RETURNS void AS $$ BEGIN ALTER TABLE shop_order DROP note; END $$ LANGUAGE plpgsql; SELECT away()")',
      ),
    ),
    running: ['unread shop.0002_next'],
    coming: ['insert-refused shop_order.note'],
    blocked: true,
    oldFails: allOfOrder,
    unpredicted: ['column-gone shop_order.note'],
  },
  {
    name: 'a Django whose interfaces have changed',
    old: base,
    new: `${base}
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
del BaseDatabaseWrapper.display_name, DatabaseWrapper.display_name
`,
    migrations: next('migrations.RunSQL("SELECT 1")'),
    running: [],
    blocked: false,
    oldFails: [],
    untold: ['the name of the database'],
  },
  {
    name: 'a table made anew by SQL',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      'migrations.RunSQL("DROP TABLE shop_order; CREATE TABLE shop_order (id bigserial PRIMARY KEY, note varchar(50) NOT NULL)")',
    ),
    running: ['unread shop_order'],
    blocked: false,
    refused: ['write-refused shop_order: SELECT: its rows are gone'],
    oldFails: [],
  },
  {
    name: 'a table made anew by SQL, with its rows and their numbers',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      "migrations.RunSQL(\"ALTER TABLE shop_order RENAME TO former; CREATE TABLE shop_order (id bigserial PRIMARY KEY, note varchar(50) NOT NULL); INSERT INTO shop_order SELECT id, note FROM former; SELECT setval(pg_get_serial_sequence('shop_order', 'id'), max(id)) FROM shop_order; DROP TABLE former\", migrations.RunSQL.noop)",
    ),
    running: ['unread shop_order'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a table made anew by SQL, with its rows, whose numbers begin again',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      'migrations.RunSQL("ALTER TABLE shop_order RENAME TO former; CREATE TABLE shop_order (id bigserial PRIMARY KEY, note varchar(50) NOT NULL); INSERT INTO shop_order SELECT id, note FROM former; DROP TABLE former", migrations.RunSQL.noop)',
    ),
    running: ['unread shop_order'],
    blocked: false,
    refused: [
      'write-refused shop_order: INSERT: duplicate key value violates unique constraint "shop_order_pkey1"',
    ],
    oldFails: ['Order.insert'],
  },
  {
    name: 'a table made anew by SQL without a column',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      'migrations.RunSQL("ALTER TABLE shop_order RENAME TO former; CREATE TABLE shop_order (id bigserial PRIMARY KEY); INSERT INTO shop_order SELECT id FROM former; DROP TABLE former", migrations.RunSQL.noop)',
    ),
    running: ['unread shop_order'],
    blocked: false,
    refused: ['write-refused shop_order: SELECT: column "note" does not exist'],
    oldFails: ['Order.insert', 'Order.read', 'Order.save'],
    newFails: ['Order.insert', 'Order.read', 'Order.save'],
    unpredicted: ['column-gone shop_order.note', 'column-gone shop_order.note'],
  },
  {
    name: 'a trigger that keeps a second row',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      'migrations.RunSQL("CREATE TABLE shop_log (note text); CREATE FUNCTION log() RETURNS trigger AS $$ BEGIN INSERT INTO shop_log VALUES (NEW.note); RETURN NEW; END $$ LANGUAGE plpgsql; CREATE TRIGGER log AFTER INSERT OR UPDATE ON shop_order FOR EACH ROW EXECUTE FUNCTION log()", migrations.RunSQL.noop)',
    ),
    running: ['unread shop.0002_next'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a trigger that asks a function for a setting that only the web has',
    old: withWho(plain),
    new: withWho(plain),
    initial: plainInitial,
    migrations: next(
      `migrations.RunPython(look), ${asksWho}`,
      // What was tried leaves nothing to the operations.
      `def look(apps, editor):
    from rollout_inspector.guard import Guard
    cursor = editor.connection.cursor()
    cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    assert cursor.fetchall() == [("0", "0")]
    guard = Guard.__new__(Guard)
    guard.connection, guard.held = editor.connection, {}
    guard.look_at_own()
    assert not guard.is_closed
`,
    ),
    running: ['unread shop.0002_next'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'the same where no code names the setting',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(asksWho),
    running: ['unread shop.0002_next'],
    blocked: false,
    refused: ['write-refused shop_order: INSERT: nobody'],
    oldFails: ['Order.insert', 'Order.save'],
    newFails: ['Order.insert', 'Order.save'],
  },
  {
    name: 'a trigger where another one writes to another server by a function of a function',
    old: plain,
    new: plain,
    initial: plainInitial,
    base: {
      '0002_outside': migration(
        first,
        triggerOf(
          'PERFORM tell(); RETURN NEW;',
          'AFTER INSERT',
          "CREATE EXTENSION dblink; CREATE TABLE outside (note text); CREATE FUNCTION tell() RETURNS void AS $$ BEGIN PERFORM dblink_exec('host=localhost user=postgres password=lab dbname=' || current_database(), 'INSERT INTO outside VALUES (1)'); END $$ LANGUAGE plpgsql; ",
          'telling',
        ),
      ),
    },
    migrations: {
      '0003_next': migration(
        '0002_outside',
        `migrations.RunPython(look), ${triggerOf('RETURN NEW;', 'BEFORE INSERT')}`,
        `def look(apps, editor):
    cursor = editor.connection.cursor()
    cursor.execute("SELECT count(*) FROM outside")
    assert cursor.fetchone()[0] == apps.get_model("shop", "Order").objects.count()
`,
      ),
    },
    running: ['unread shop.0003_next'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a trigger that notes a deletion and keeps the row',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(triggerOf('RETURN NULL;', 'BEFORE DELETE')),
    running: ['unread shop.0002_next'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a trigger, with a column whose refusal is accepted',
    old: plain,
    new: plain.replace(note, `${note}    colour = models.IntegerField(default=1)\n`),
    initial: plainInitial,
    migrations: next(
      `migrations.AddField("order", "colour", models.IntegerField(default=1)), ${triggerOf('RETURN NEW;', 'BEFORE INSERT')}`,
      '# django-rollout: allow insert-refused shop_order.colour: nobody orders at night\n',
    ),
    running: ['insert-refused shop_order.colour', 'unread shop.0002_next'],
    blocked: false,
    oldFails: ['Order.insert'],
  },
  {
    name: 'a trigger is dropped that fills a column',
    old: plain,
    new: plain,
    initial: plainInitial,
    base: {
      '0002_filled': migration(
        first,
        `migrations.RunSQL("ALTER TABLE shop_order ADD code int CHECK (code IS NOT NULL)"), ${triggerOf('NEW.code = 7; RETURN NEW;', 'BEFORE INSERT')}`,
      ),
    },
    migrations: {
      '0003_next': migration('0002_filled', 'migrations.RunSQL("DROP TRIGGER own ON shop_order")'),
    },
    running: ['unread shop.0003_next'],
    blocked: false,
    refused: [
      'write-refused shop_order: INSERT: new row for relation "shop_order" violates check constraint "shop_order_code_check"',
    ],
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'a trigger that drops each new row',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      'migrations.RunSQL("CREATE FUNCTION lose() RETURNS trigger AS $$ BEGIN RETURN NULL; END $$ LANGUAGE plpgsql; CREATE TRIGGER lose BEFORE INSERT ON shop_order FOR EACH ROW EXECUTE FUNCTION lose()", migrations.RunSQL.noop)',
    ),
    running: ['unread shop.0002_next'],
    blocked: false,
    refused: ['write-refused shop_order: INSERT: it does nothing'],
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'a rule that refuses what changes',
    old: plain,
    new: plain,
    initial: plainInitial,
    migrations: next(
      'migrations.RunSQL("CREATE RULE keep AS ON UPDATE TO shop_order DO INSTEAD NOTHING", migrations.RunSQL.noop)',
    ),
    running: ['unread shop.0002_next'],
    blocked: false,
    refused: ['write-refused shop_order: UPDATE: it does nothing'],
    oldFails: ['Order.save'],
    newFails: ['Order.save'],
  },
  {
    name: 'two models of one table, of which one writes NULL',
    old: `${base}${lite}`,
    new: `${but(ref, '    ref = models.CharField(max_length=50, default="")\n')}${lite}`,
    migrations: next(strictRef),
    running: ['null-refused shop_order.ref'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'two models of one table, of which none writes NULL',
    old: `${but(ref, '    ref = models.CharField(max_length=50, default="")\n')}${lite}`,
    new: `${but(ref, '    ref = models.CharField(max_length=99, default="")\n')}${lite}`,
    base: next(strictRef),
    migrations: {
      '0003_next': migration(
        '0002_next',
        'migrations.AlterField("order", "ref", models.CharField(max_length=99, default=""))',
      ),
    },
    running: [],
    blocked: false,
    oldFails: [],
  },
  ...retypings,
  {
    name: 'a column by SQL whose own check the old code violates',
    old: base,
    new: but(note, '    note = models.CharField(max_length=50, default="other")\n'),
    ...checkedBySql("note <> 'n'"),
    running: ['check shop_order.x_check'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'a column by SQL whose own check all rows keep',
    old: base,
    new: base,
    ...checkedBySql('note IS NOT NULL'),
    running: ['check shop_order.x_check'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a default of NULL in place of one that the code relies on',
    since: 5,
    old: withColour(dbRed),
    new: withColour(red),
    base: addColour(dbRed),
    migrations: {
      '0003_next': migration(
        '0002_next',
        'migrations.RunSQL("ALTER TABLE shop_order ALTER colour SET DEFAULT NULL", migrations.RunSQL.noop)',
      ),
    },
    running: ['default-gone shop_order.colour'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'NULL to NOT NULL over old rows that Django fills, while the old code sets a value',
    old: setsRef,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    ...withRows(strictRef, undefined, withoutRef),
    running: ['null-refused shop_order.ref'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a check that rows break before Django fills them',
    old: setsRef,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    ...withRows(`${strictRef}, ${hasRef}`, 'import django\n', withoutRef),
    running: ['null-refused shop_order.ref', 'check shop_order.has_ref'],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'constraints over rows that SQL gives other values',
    old: setsRef,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    ...withRows(
      bySql(
        `ALTER TABLE shop_order ALTER ref SET NOT NULL, ALTER ref TYPE varchar(50) USING coalesce(ref, 'r'), ALTER note TYPE varchar(50) USING left(id::text, 5); ALTER TABLE shop_order ADD CHECK (length(note) <= 5), ADD UNIQUE (note)`,
      ),
      undefined,
      withoutRef,
    ),
    running: ['null-refused shop_order.ref', 'unique shop_order.note', 'check shop_order.?'],
    blocked: false,
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'a shorter type by SQL under the longest value',
    old: base,
    new: but(note, '    note = models.CharField(max_length=5, default="n")\n'),
    ...withRows(bySql('ALTER TABLE shop_order ALTER note TYPE varchar(5)')),
    running: ['narrowed shop_order.note'],
    coming: ['rows-refuse shop_order.note'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a text that Django cuts where it is too long',
    old: but(note, '    note = models.TextField(default="n")\n'),
    new: but(note, '    note = models.CharField(max_length=5, default="n")\n'),
    initial: initialWith('models.TextField(default="n")'),
    ...withRows(
      'migrations.AlterField("order", "note", models.CharField(max_length=5, default="n"))',
    ),
    running: ['narrowed shop_order.note'],
    coming: ['rows-refuse shop_order.note'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'a text that becomes shorter after a step that shortens the rows',
    old: but(note, '    note = models.TextField(default="longer than 5")\n'),
    new: but(note, '    note = models.CharField(max_length=5, default="n")\n'),
    initial: initialWith('models.TextField(default="longer than 5")'),
    migrations: next(
      `${shortNotes}, migrations.AlterField("order", "note", models.CharField(max_length=5, default="n"))`,
    ),
    running: ['narrowed shop_order.note'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'a generated column that is shorter than what the old code writes',
    since: 5,
    old: but(note, '    note = models.CharField(max_length=50, default="long enough")\n'),
    new: but(note, `${note}    short = ${computedBy('models.F("note")', 5)}\n`),
    ...withRows(`${shortNotes}, ${computed('short', 'models.F("note")', 5)}`),
    running: ['narrowed shop_order.note'],
    blocked: true,
    oldFails: ['Order.insert'],
  },
  {
    name: 'generated columns that are shorter than the longest value',
    since: 5,
    old: base,
    new: base,
    ...withRows(
      `${bySql('ALTER TABLE shop_order ADD short varchar(5) GENERATED ALWAYS AS (note) STORED')}, ${computed('more', 'Concat("note", models.Value("%"))', 9)}`,
      functions,
    ),
    running: ['narrowed shop_order.note'],
    coming: ['rows-refuse shop_order', 'rows-refuse shop_order.note'],
    blocked: true,
    oldFails: [],
  },
  {
    name: 'generated columns into which all fits',
    since: 5,
    old: base,
    new: base,
    ...withRows(
      `${computed('low', 'Lower("note")', 50)}, ${computed('short', 'Left("note", 5)', 5)}, ${computed('more', 'Concat("note", models.Value("%"))', 12)}`,
      functions,
    ),
    running: [],
    blocked: false,
    oldFails: [],
  },
  {
    name: 'a collation by which LIKE fails, which the old code uses',
    since: 3.2,
    old: searchesNote,
    new: but(
      note,
      '    note = models.CharField(max_length=50, default="n", db_collation="loose")\n',
    ),
    migrations: next(
      `CreateCollation("loose", provider="icu", locale="und-u-ks-level2", deterministic=False), ${collate('loose')}`,
      'from django.contrib.postgres.operations import CreateCollation\n',
    ),
    running: ['retyped shop_order.note'],
    blocked: true,
    oldFails: ['Order.insert', 'Order.save'],
  },
  {
    name: 'a collation by which unique rows are equal',
    since: 3.2,
    old: but(note, '    note = models.CharField(max_length=50, default="n", unique=True)\n'),
    new: base,
    initial: initialWith('models.CharField(max_length=50, default="n", unique=True)'),
    base: {
      '0002_rows': migration(
        first,
        `${bySql("INSERT INTO shop_order (note) VALUES ('a'), ('A')")}, ${loose}`,
      ),
    },
    migrations: { '0003_next': migration('0002_rows', collate('loose', ', unique=True')) },
    running: ['retyped shop_order.note'],
    coming: ['rows-refuse shop_order.note'],
    blocked: true,
    oldFails: ['Order.insert'],
    newFails: ['Order.insert'],
  },
  {
    name: 'a collation that only sorts in another way',
    since: 3.2,
    old: searchesNote,
    new: searchesNote,
    migrations: next(collate('C')),
    running: [],
    blocked: false,
    oldFails: [],
  },
]
