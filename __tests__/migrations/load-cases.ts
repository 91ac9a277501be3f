/**
 * The table of migrations that are played while clients of both versions read and write: each rule's unsafe form and its
 * safe twin, and what went wrong in public incidents. It begins with the cases of the judge.
 */
import {
  addColour,
  base,
  but,
  cases,
  deletesRows,
  first,
  initial,
  initialWith,
  migration,
  next,
  note,
  ref,
  shopKey,
  tags,
  withColour,
  type Case,
} from './cases.js'

/**
 * `unsafe`: requests fail, and it must be stopped. `safe`: it must be let through, and no request fails. `warned`: it is let
 * through with a warning, because whether requests fail depends on what the code does, or on text that cannot be followed.
 */
export type Kind = 'unsafe' | 'safe' | 'warned'

export interface LoadCase extends Pick<
  Case,
  'name' | 'since' | 'old' | 'new' | 'base' | 'initial' | 'migrations'
> {
  readonly kind: Kind
  /** A safe one of which something is told. */
  readonly warns?: true
  /** Whether requests fail depends on the moment. */
  readonly sometimes?: true
  /** It may refuse what the old version writes, and waits where migrations may be held back. */
  readonly waits?: true
  /** It is also played in `make test`. */
  readonly always?: true
  /** What the rows of today refuse: `rows-refuse shop_order.note`. */
  readonly refused?: readonly string[]
  /** The statements are those of PostgreSQL. */
  readonly postgres?: true
}

const notHere = new Set([
  // They end in the trial, without a commit: what they would break is played by `long/judged`.
  'a column dropped by a step in Python alone',
  'a NOT NULL column added by a step in Python alone',
  // Requests fail by the code of the new version itself.
  'a model of a table whose server does not answer',
  'a table whose name the environment gives',
  // It costs values, and no request.
  'a text that Django cuts where it is too long',
  // It counts rows, which the clients write meanwhile.
  'a trigger where another one writes to another server by a function of a function',
  // It deletes rows that the clients work with.
  'a column by SQL whose own check all rows keep',
  // The clients write equal rows.
  'a collation by which unique rows are equal',
  // Clients write all the while.
  'NULL to NOT NULL after a step that fills the rows, which are older than the old version',
  'NULL to NOT NULL after a step that fills the rows, which are younger than the old version',
  'NULL to NOT NULL after a step that fills the rows, which the old version dates back',
  // As the first one of its kind.
  'a unique constraint by which the old code writes, dropped by a constraint with one more column',
  'a unique constraint by which the old code writes, dropped by SQL',
  'a trigger is dropped that fills a column',
])
const ofPostgres = new Set([
  'a column dropped by a function that SQL calls',
  // MariaDB cannot name one in an INSERT.
  'a unique constraint by which the old code writes, dropped by the field',
  'constraints over rows that SQL gives other values',
  'a shorter type by SQL under the longest value',
  'a collation by which LIKE fails, which the old code uses',
  'a collation by which unique rows are equal',
  'a collation that only sorts in another way',
  'generated columns that are shorter than the longest value',
  'SQL that cannot be read, of another operation',
  'a table made by SQL for a model of the state',
  'a foreign key to another table',
  'a trigger',
  'a trigger that asks a function for a setting that only the web has',
  'the same where no code names the setting',
  'a trigger, with a column whose refusal is accepted',
  'a function that drops a column, and its call',
  'a table made anew by SQL',
  'a table made anew by SQL, with its rows and their numbers',
  'a table made anew by SQL, with its rows, whose numbers begin again',
  'a table made anew by SQL without a column',
  'a trigger that keeps a second row',
  'a trigger that drops each new row',
  'a rule that refuses what changes',
  'a table of another schema dropped',
  'a column dropped by SQL in capital letters',
  'NULL to NOT NULL by SQL that fills the rows',
  'a column dropped by a step in Python',
  'a table renamed, a view in its place',
  'NOT NULL made safe by SQL in the same file',
  // Django's schema editor refuses a table within a transaction elsewhere.
  'a table made by a step in Python for a model of the state',
  'a column that a view reads',
  'a column that a view reads, which code makes again',
  // Its triggers are written in another way there.
  'a trigger that notes a deletion and keeps the row',
  // MariaDB has no such constraints: Django leaves them out.
  'unique under a condition that equal rows do not meet, and one that they meet',
  'a column that a view reads, which the migration makes again',
  // Django adds by INSERT IGNORE there, which fills the column.
  'a through model of its own with a new NOT NULL column',
])

/** One of each outcome, for `make test`; the others are played by long/load.test.ts. */
const always = new Set([
  'NOT NULL with a Python default',
  'its twin: db_default',
  'RemoveField',
  'its twin, first release: from the state only, and nullable',
  'its twin, second release: dropped by SQL',
  'RenameField',
  'its twin: db_column',
  'NULL to NOT NULL while the old code writes NULL',
  'unique over what the old code writes twice',
  'choices, help_text, default, on_delete',
  'a trigger',
])

/** Where it matters that there are several rows before, by which it shows what the old code writes. */
const underLoad: Readonly<Partial<Record<string, Kind>>> = {
  // A row that is saved once more gets its old number, which a new one may get, too.
  'a table made anew by SQL': 'unsafe',
  'unique over equal rows that a step before deletes': 'unsafe',
  'unique over rows that a step before makes different': 'unsafe',
  'unique over what the old code writes twice': 'unsafe',
  'constraints over rows that SQL gives other values': 'unsafe',
}

/** They tighten a column. */
const waiting = new Set([
  'narrowed from 50 to 5',
  'NULL to NOT NULL over old rows that Django fills, while the old code sets a value',
])

function kindOf({ name, blocked, refused, oldFails, newFails = [] }: Case): Kind {
  const own = underLoad[name]
  if (own !== undefined) return own
  if (blocked || refused !== undefined) return 'unsafe'
  return oldFails.length + newFails.length > 0 ? 'warned' : 'safe'
}

/** Clients are working with these rows: they would see that their own ones are gone. */
const keepingRows = (migrations: Case['migrations']): Case['migrations'] =>
  Object.fromEntries(
    Object.entries(migrations).map(([file, text]) => [file, text.replace(deletesRows, 'SELECT 1')]),
  )

const ofJudge = cases
  .filter(({ name, untold }) => !notHere.has(name) && untold === undefined)
  // Whether they refuse anything depends on the rows, of which there are more here.
  .filter(
    ({ name }) =>
      !/^a constraint (made anew|over a new)|^a foreign key (to another column|made anew|with to_field)/.test(
        name,
      ),
  )
  .map((one): LoadCase => {
    const {
      name,
      since,
      old,
      new: to,
      base: before,
      initial: from,
      migrations,
      running,
      coming = [],
    } = one
    const kind = kindOf(one)
    const refused = coming.filter((each) => each.startsWith('rows-refuse'))
    return {
      ...{ name, kind, old, new: to, migrations: keepingRows(migrations) },
      ...(since && { since }),
      ...(before && { base: before }),
      ...(from && { initial: from }),
      ...(refused.length > 0 && { refused }),
      ...((ofPostgres.has(name) || old.includes('ArrayField')) && { postgres: true }),
      ...(always.has(name) && { always: true }),
      ...(waiting.has(name) && { waits: true }),
      ...(name === 'a table made anew by SQL' && { sometimes: true }),
      ...(kind === 'safe' && running.length + coming.length > 0 && { warns: true }),
    }
  })

const [shopOnly = ''] = base.split('class Order')
const plain = [shopKey, ref, tags].reduce((models, part) => models.replace(part, ''), base)
const plainInitial = migration(
  undefined,
  'migrations.CreateModel("Shop", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20, default="s"))]), migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)), ("note", models.CharField(max_length=50, default="n"))])',
)
const inState = (state: string, database = '') =>
  `migrations.SeparateDatabaseAndState(state_operations=[${state}], database_operations=[${database}])`
const sql = (text: string) => `migrations.RunSQL(${JSON.stringify(text)}, migrations.RunSQL.noop)`
const shopWithout =
  'models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True, db_constraint=False)'
const tagsWithout =
  'models.ManyToManyField("shop.shop", related_name="tagged", db_constraint=False)'
const letGo = `migrations.AlterField("order", "shop", ${shopWithout}), migrations.AlterField("order", "tags", ${tagsWithout})`
const withNote = (field: string) => but(note, `    note = ${field}\n`)
const alterNote = (field: string) => `migrations.AlterField("order", "note", ${field})`
const more = (field: string) => but(note, `${note}    ${field}\n`)
const withClass = (text: string) => `${base}${text}`
const added = (name: string, field: string) =>
  next(`migrations.AddField("order", "${name}", ${field})`)
const red = 'models.CharField(max_length=9, default="red")'
const check = (name: string, condition: string) =>
  `migrations.AddConstraint("order", models.CheckConstraint(name="${name}", **{"condition" if django.VERSION >= (5, 1) else "check": ${condition}}))`
const withDjango = 'import django\n'
const orderRef =
  'models.ForeignKey("shop.order", django.db.models.deletion.CASCADE, related_name="+")'

/** The column of numbers of `0002_owner` becomes a foreign key, for new rows only. */
const keyForNewRows = {
  '0003_key': migration(
    '0002_owner',
    inState(
      'migrations.RemoveField("order", "owner_id"), migrations.AddField("order", "owner", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True, related_name="+"))',
      sql(
        'ALTER TABLE shop_order ADD CONSTRAINT owns FOREIGN KEY (owner_id) REFERENCES shop_shop NOT VALID',
      ),
    ),
  ),
}

const others: readonly LoadCase[] = [
  {
    name: 'DeleteModel, its twin, first release: from the state only, without constraints',
    kind: 'safe',
    old: base,
    new: shopOnly,
    migrations: next(`${letGo}, ${inState('migrations.DeleteModel("Order")')}`),
  },
  {
    name: 'DeleteModel, its twin, second release: dropped by SQL',
    kind: 'safe',
    old: shopOnly,
    new: shopOnly,
    base: next(`${letGo}, ${inState('migrations.DeleteModel("Order")')}`),
    migrations: {
      '0003_drop': migration(
        '0002_next',
        `${sql('DROP TABLE shop_order_tags')}, ${sql('DROP TABLE shop_order')}`,
      ),
    },
  },
  {
    name: 'AlterModelTable',
    kind: 'unsafe',
    old: plain,
    new: plain.replace(
      'class Order(models.Model):',
      'class Order(models.Model):\n    class Meta: db_table = "orders"',
    ),
    initial: plainInitial,
    migrations: next('migrations.AlterModelTable("order", "orders")'),
  },
  {
    name: 'RenameModel, its twin: the table kept',
    kind: 'safe',
    old: plain,
    new: plain.replace(
      'class Order(models.Model):',
      'class Sale(models.Model):\n    class Meta: db_table = "shop_order"',
    ),
    initial: plainInitial,
    migrations: next(
      'migrations.AlterModelTable("order", "shop_order"), migrations.RenameModel("Order", "Sale")',
    ),
  },
  {
    name: 'a many-to-many field removed, its twin: from the state only, without constraints',
    kind: 'safe',
    old: base,
    new: but(tags, ''),
    migrations: next(
      `migrations.AlterField("order", "tags", ${tagsWithout}), ${inState('migrations.RemoveField("order", "tags")')}`,
    ),
  },
  {
    name: 'a foreign key removed',
    kind: 'unsafe',
    old: base,
    new: but(shopKey, ''),
    migrations: next('migrations.RemoveField("order", "shop")'),
  },
  {
    name: 'a foreign key left behind, its twin: without a constraint',
    kind: 'safe',
    old: base,
    new: but(shopKey, ''),
    migrations: next(
      `migrations.AlterField("order", "shop", ${shopWithout}), ${inState('migrations.RemoveField("order", "shop")')}`,
    ),
  },
  {
    name: 'db_column changed',
    kind: 'unsafe',
    old: base,
    new: withNote('models.CharField(max_length=50, default="n", db_column="text")'),
    migrations: next(alterNote('models.CharField(max_length=50, default="n", db_column="text")')),
  },
  {
    name: 'a column renamed by SQL',
    kind: 'unsafe',
    old: base,
    new: withNote('models.CharField(max_length=50, default="n", db_column="text")'),
    migrations: next(
      inState(
        alterNote('models.CharField(max_length=50, default="n", db_column="text")'),
        sql('ALTER TABLE shop_order RENAME COLUMN note TO text'),
      ),
    ),
  },
  {
    name: 'a flag with a Python default',
    kind: 'unsafe',
    old: base,
    new: more('paid = models.BooleanField(default=False)'),
    migrations: added('paid', 'models.BooleanField(default=False)'),
  },
  {
    name: 'a time with auto_now_add',
    kind: 'unsafe',
    old: base,
    new: more('made = models.DateTimeField(auto_now_add=True)'),
    migrations: next(
      'migrations.AddField("order", "made", models.DateTimeField(auto_now_add=True, default=timezone.now), preserve_default=False)',
      'from django.utils import timezone\n',
    ),
  },
  {
    name: 'NOT NULL by a file of its own',
    kind: 'unsafe',
    old: base,
    new: withColour(red),
    migrations: {
      ...addColour('models.CharField(max_length=9, null=True)'),
      '0003_fill': migration(
        '0002_next',
        'migrations.RunPython(fill, migrations.RunPython.noop)',
        'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.update(colour="red")\n',
      ),
      '0004_strict': migration('0003_fill', `migrations.AlterField("order", "colour", ${red})`),
    },
  },
  {
    name: 'NOT NULL by a file of its own, its twin: still nullable',
    kind: 'safe',
    old: base,
    new: withColour('models.CharField(max_length=9, null=True, default="red")'),
    migrations: {
      ...addColour('models.CharField(max_length=9, null=True, default="red")'),
      '0003_fill': migration(
        '0002_next',
        'migrations.RunPython(fill, migrations.RunPython.noop)',
        'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.update(colour="red")\n',
      ),
    },
  },
  {
    name: 'NOT NULL that a later file makes safe',
    kind: 'unsafe',
    postgres: true,
    old: base,
    new: withColour(red),
    migrations: {
      ...addColour(red),
      '0003_wait': migration(
        '0002_next',
        'migrations.RunPython(wait, migrations.RunPython.noop)',
        'import time\ndef wait(apps, editor):\n    time.sleep(1)\n',
      ),
      '0004_default': migration(
        '0003_wait',
        sql("ALTER TABLE shop_order ALTER COLUMN colour SET DEFAULT 'red'"),
      ),
    },
  },
  {
    name: 'the database default dropped, its twin: the code sets it',
    kind: 'safe',
    since: 5,
    old: withNote('models.CharField(max_length=50, default="n", db_default="n")'),
    new: base,
    initial: initialWith('models.CharField(max_length=50, default="n", db_default="n")'),
    migrations: next(alterNote('models.CharField(max_length=50, default="n")')),
  },
  {
    name: 'a column that the database computes, its twin: under a new name',
    kind: 'safe',
    since: 5,
    old: base,
    new: more(
      'shown = models.GeneratedField(expression=models.F("note"), output_field=models.CharField(max_length=50), db_persist=True)',
    ),
    migrations: added(
      'shown',
      'models.GeneratedField(expression=models.F("note"), output_field=models.CharField(max_length=50), db_persist=True)',
    ),
  },
  {
    name: 'larger numbers of new rows',
    kind: 'safe',
    old: plain.replace(
      'class Order(models.Model):',
      'class Order(models.Model):\n    id = models.AutoField(primary_key=True)',
    ),
    new: plain,
    initial: plainInitial.replace(
      '("id", models.BigAutoField(primary_key=True)), ("note"',
      '("id", models.AutoField(primary_key=True)), ("note"',
    ),
    migrations: next('migrations.AlterField("order", "id", models.BigAutoField(primary_key=True))'),
  },
  {
    name: 'narrowed below what the old code writes',
    kind: 'unsafe',
    old: withNote('models.CharField(max_length=50, default="longer than 5")'),
    new: withNote('models.CharField(max_length=5, default="n")'),
    migrations: next(alterNote('models.CharField(max_length=5, default="n")')),
  },
  {
    name: 'narrowed, its twin: widened',
    kind: 'safe',
    old: base,
    new: withNote('models.CharField(max_length=200, default="n")'),
    migrations: next(alterNote('models.CharField(max_length=200, default="n")')),
  },
  {
    name: 'a text of any length',
    kind: 'safe',
    old: base,
    new: withNote('models.TextField(default="n")'),
    migrations: next(alterNote('models.TextField(default="n")')),
  },
  {
    name: 'text to number',
    kind: 'unsafe',
    postgres: true,
    old: base,
    new: withNote('models.IntegerField(default=1)'),
    migrations: next(
      inState(
        alterNote('models.IntegerField(default=1)'),
        sql('ALTER TABLE shop_order ALTER COLUMN note TYPE integer USING 7'),
      ),
    ),
  },
  {
    name: 'text to number, its twin: a second column',
    kind: 'safe',
    old: base,
    new: more('amount = models.IntegerField(null=True)'),
    migrations: added('amount', 'models.IntegerField(null=True)'),
  },
  {
    name: 'unique over what the old code never writes twice',
    kind: 'safe',
    warns: true,
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50, null=True, unique=True)\n'),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))',
    ),
  },
  {
    name: 'NULL to NOT NULL after a file that fills the rows',
    kind: 'unsafe',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    migrations: {
      '0002_fill': migration(
        first,
        'migrations.RunPython(fill, migrations.RunPython.noop)',
        'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.filter(ref=None).update(ref="")\n',
      ),
      '0003_strict': migration(
        '0002_fill',
        'migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))',
      ),
    },
  },
  {
    name: 'a foreign key over a known column, for new rows only',
    kind: 'unsafe',
    postgres: true,
    old: more('owner_id = models.BigIntegerField(null=True, default=0)'),
    new: more('owner = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="+")'),
    base: {
      '0002_owner': migration(
        first,
        'migrations.AddField("order", "owner_id", models.BigIntegerField(null=True, default=0))',
      ),
    },
    migrations: {
      ...keyForNewRows,
    },
  },
  {
    name: 'a check that the old code violates, for new rows only',
    kind: 'unsafe',
    postgres: true,
    old: base,
    new: withNote('models.CharField(max_length=50, default="m")'),
    migrations: next(
      sql("ALTER TABLE shop_order ADD CONSTRAINT no_n CHECK (note <> 'n') NOT VALID"),
    ),
  },
  {
    name: 'a check removed',
    kind: 'safe',
    old: base,
    new: base,
    base: { '0002_check': migration(first, check('kept', 'models.Q(note="n")'), withDjango) },
    migrations: {
      '0003_no_check': migration('0002_check', 'migrations.RemoveConstraint("order", "kept")'),
    },
  },
  {
    name: 'a foreign key over other values, for new rows only',
    kind: 'unsafe',
    postgres: true,
    old: more('owner_id = models.BigIntegerField(default=0)'),
    new: more('owner = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="+")'),
    base: {
      '0002_owner': migration(
        first,
        'migrations.AddField("order", "owner_id", models.BigIntegerField(default=0))',
      ),
    },
    migrations: {
      '0003_key': migration(
        '0002_owner',
        inState(
          'migrations.RemoveField("order", "owner_id"), migrations.AddField("order", "owner", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True, related_name="+"))',
          `${sql('ALTER TABLE shop_order ALTER owner_id DROP NOT NULL')}, ${sql('ALTER TABLE shop_order ADD CONSTRAINT owns FOREIGN KEY (owner_id) REFERENCES shop_shop NOT VALID')}`,
        ),
      ),
    },
  },
  {
    name: 'a foreign key over other values, its twin: without a constraint',
    kind: 'safe',
    old: more('owner_id = models.BigIntegerField(null=True)'),
    new: more(
      'owner = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="+", db_constraint=False)',
    ),
    base: {
      '0002_owner': migration(
        first,
        'migrations.AddField("order", "owner_id", models.BigIntegerField(null=True))',
      ),
    },
    migrations: {
      '0003_key': migration(
        '0002_owner',
        inState(
          'migrations.RemoveField("order", "owner_id"), migrations.AddField("order", "owner", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True, related_name="+", db_constraint=False))',
        ),
      ),
    },
  },
  {
    name: 'a view in the place of a table, which accepts no rows',
    kind: 'unsafe',
    postgres: true,
    old: plain,
    new: plain.replace(
      'class Order(models.Model):',
      'class Order(models.Model):\n    class Meta: db_table = "orders"',
    ),
    initial: plainInitial,
    migrations: next(
      inState(
        'migrations.AlterModelTable("order", "orders")',
        sql(
          'ALTER TABLE shop_order RENAME TO orders; CREATE VIEW shop_order AS SELECT DISTINCT id, note FROM orders',
        ),
      ),
    ),
  },
  {
    name: 'a new table with a foreign key',
    kind: 'safe',
    old: base,
    new: withClass(
      'class Note(models.Model):\n    order = models.ForeignKey(Order, models.CASCADE, related_name="+")\n',
    ),
    migrations: next(
      `migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("order", ${orderRef})])`,
    ),
  },
  {
    name: 'a new table that inherits another',
    kind: 'safe',
    old: base,
    new: withClass('class Gift(Order):\n    text = models.CharField(max_length=9, default="t")\n'),
    migrations: next(
      'migrations.CreateModel("Gift", [("order_ptr", models.OneToOneField("shop.order", django.db.models.deletion.CASCADE, parent_link=True, primary_key=True, auto_created=True, serialize=False)), ("text", models.CharField(max_length=9, default="t"))], bases=("shop.order",))',
    ),
  },
  {
    name: 'a new nullable foreign key',
    kind: 'safe',
    old: base,
    new: more('other = models.ForeignKey(Shop, models.SET_NULL, null=True, related_name="+")'),
    migrations: added(
      'other',
      'models.ForeignKey("shop.shop", django.db.models.deletion.SET_NULL, null=True, related_name="+")',
    ),
  },
  {
    name: 'a new many-to-many field',
    kind: 'safe',
    old: base,
    new: more('marks = models.ManyToManyField(Shop, related_name="marked")'),
    migrations: added('marks', 'models.ManyToManyField("shop.shop", related_name="marked")'),
  },
  {
    name: 'an index without waiting',
    kind: 'safe',
    postgres: true,
    old: base,
    new: `${base}    class Meta: indexes = [models.Index(fields=["note"], name="by_note")]\n`,
    migrations: {
      '0002_next': migration(
        first,
        'AddIndexConcurrently("order", models.Index(fields=["note"], name="by_note"))',
        'from django.contrib.postgres.operations import AddIndexConcurrently\n',
      ).replace('    operations', '    atomic = False\n    operations'),
    },
  },
  {
    name: 'an index',
    kind: 'safe',
    old: base,
    new: but(note, '    note = models.CharField(max_length=50, default="n", db_index=True)\n'),
    migrations: next(alterNote('models.CharField(max_length=50, default="n", db_index=True)')),
  },
  {
    name: 'an index removed',
    kind: 'safe',
    old: base,
    new: base,
    base: {
      '0002_index': migration(
        first,
        'migrations.AddIndex("order", models.Index(fields=["note"], name="by_note"))',
      ),
    },
    migrations: {
      '0003_no_index': migration('0002_index', 'migrations.RemoveIndex("order", "by_note")'),
    },
  },
  {
    name: 'options of a model',
    kind: 'safe',
    old: base,
    new: `${base}    class Meta:\n        ordering = ["note"]\n        verbose_name = "sale"\n`,
    migrations: next(
      'migrations.AlterModelOptions("order", {"ordering": ["note"], "verbose_name": "sale"})',
    ),
  },
  {
    name: 'rows changed by SQL',
    kind: 'safe',
    old: base,
    new: base,
    migrations: next(sql("UPDATE shop_order SET ref = 'r' WHERE note = 'none'")),
  },
  {
    name: 'a data step without a transaction',
    kind: 'safe',
    old: base,
    new: base,
    migrations: {
      '0002_next': migration(
        first,
        'migrations.RunPython(fill, migrations.RunPython.noop)',
        'def fill(apps, editor):\n    Order = apps.get_model("shop", "Order")\n    for order in Order.objects.all(): Order.objects.filter(pk=order.pk).update(ref="r")\n',
      ).replace('    operations', '    atomic = False\n    operations'),
    },
  },
]

/** The code of the old version sets the value of a new row itself. */
const saving = (line: string) =>
  `    def save(self, *args, **options):\n        ${line}\n        super().save(*args, **options)\n`
const setsRef = saving('self.ref = self.ref or "r"')
const setsNote = saving('self.note = self.note if self.pk else __import__("uuid").uuid4().hex')
/** Rows of before the old version. */
const oldRows = (columns: string, ...rows: readonly string[]) => ({
  '0002_rows': migration(
    first,
    sql(`INSERT INTO shop_order (${columns}) VALUES (${rows.join('), (')})`),
  ),
})
/** The step has a transaction of its own: another one waits for its locks before it writes. */
const afterRows = (step: string, operations: string, before?: string) => ({
  '0003_step': migration('0002_rows', step),
  '0004_next': migration('0003_step', operations, before),
})
const owner = 'owner_id = models.BigIntegerField(null=True)'
const smaller = (amount: number) => ({
  base: {
    '0002_amount': migration(
      first,
      `migrations.AddField("order", "amount", models.BigIntegerField(default=${amount}))`,
    ),
  },
  migrations: {
    '0003_step': migration('0002_amount', sql('UPDATE shop_order SET amount = 1')),
    '0004_smaller': migration(
      '0003_step',
      'migrations.AlterField("order", "amount", models.IntegerField(default=1))',
    ),
  },
})

/** A step before mends the rows of today, or they do not count: the latest ones show whether the old version goes on. */
const byLatestRows: readonly LoadCase[] = [
  {
    name: 'NULL to NOT NULL after a step that fills the rows, its twin: only old rows have none',
    kind: 'safe',
    warns: true,
    waits: true,
    old: but(ref, `${ref}${setsRef}`),
    new: but(ref, `    ref = models.CharField(max_length=50)\n${setsRef}`),
    base: oldRows('note', "'n'", "'n'"),
    migrations: afterRows(
      sql("UPDATE shop_order SET ref = 'r' WHERE ref IS NULL"),
      'migrations.AlterField("order", "ref", models.CharField(max_length=50))',
    ),
  },
  {
    name: 'unique over rows that a step before makes different, its twin: only old rows are equal',
    kind: 'safe',
    warns: true,
    old: but(note, `${note}${setsNote}`),
    new: but(
      note,
      `    note = models.CharField(max_length=50, default="n", unique=True)\n${setsNote}`,
    ),
    base: oldRows('note', "'x'", "'x'"),
    migrations: afterRows(
      sql("UPDATE shop_order SET note = id WHERE note = 'x'"),
      alterNote('models.CharField(max_length=50, default="n", unique=True)'),
    ),
  },
  {
    name: 'unique by SQL over rows that a step before makes different',
    kind: 'unsafe',
    old: base,
    new: base,
    migrations: next(
      `${sql('UPDATE shop_order SET note = id')}, ${sql('CREATE UNIQUE INDEX by_note ON shop_order (note)')}`,
    ),
  },
  {
    name: 'unique by SQL for some rows only, which the old code does not write',
    kind: 'safe',
    warns: true,
    postgres: true,
    old: base,
    new: base,
    migrations: next(sql("CREATE UNIQUE INDEX by_note ON shop_order (note) WHERE note <> 'n'")),
  },
  {
    name: 'a check that a step before makes the rows keep',
    kind: 'unsafe',
    old: base,
    new: withNote('models.CharField(max_length=50, default="m")'),
    migrations: next(
      `${sql("UPDATE shop_order SET note = 'm'")}, ${check('no_n', '~models.Q(note="n")')}`,
      withDjango,
    ),
  },
  {
    name: 'a check that a step before makes the rows keep, its twin: only old rows break it',
    kind: 'safe',
    warns: true,
    old: base,
    new: base,
    base: oldRows('note', "'x'", "'x'"),
    migrations: afterRows(
      sql("UPDATE shop_order SET note = 'y' WHERE note = 'x'"),
      check('no_x', '~models.Q(note="x")'),
      withDjango,
    ),
  },
  {
    name: 'a check for new rows only, its twin: only old rows break it',
    kind: 'safe',
    warns: true,
    postgres: true,
    old: base,
    new: base,
    base: oldRows('note', "'x'", "'x'"),
    migrations: {
      '0003_next': migration(
        '0002_rows',
        sql("ALTER TABLE shop_order ADD CONSTRAINT no_x CHECK (note <> 'x') NOT VALID"),
      ),
    },
  },
  {
    name: 'narrowed after a step that shortens the rows',
    kind: 'unsafe',
    old: withNote('models.CharField(max_length=50, default="longer than 5")'),
    new: withNote('models.CharField(max_length=5, default="n")'),
    migrations: next(
      `${sql("UPDATE shop_order SET note = 'n'")}, ${alterNote('models.CharField(max_length=5, default="n")')}`,
    ),
  },
  {
    name: 'narrowed after a step that shortens the rows, its twin: only old rows are longer',
    kind: 'safe',
    warns: true,
    waits: true,
    old: base,
    new: withNote('models.CharField(max_length=5, default="n")'),
    base: oldRows('note', "'longer than 5'", "'longer than 5'"),
    migrations: afterRows(
      sql("UPDATE shop_order SET note = 'n' WHERE note <> 'n'"),
      alterNote('models.CharField(max_length=5, default="n")'),
    ),
  },
  {
    name: 'a smaller type of numbers after a step that makes the rows fit',
    kind: 'unsafe',
    old: more('amount = models.BigIntegerField(default=5000000000)'),
    new: more('amount = models.IntegerField(default=1)'),
    ...smaller(5000000000),
  },
  {
    name: 'a smaller type of numbers, its twin: all fit',
    kind: 'safe',
    warns: true,
    old: more('amount = models.BigIntegerField(default=5)'),
    new: more('amount = models.IntegerField(default=1)'),
    ...smaller(5),
  },
  {
    name: 'a foreign key for new rows only, its twin: only old rows refer to nothing',
    kind: 'safe',
    warns: true,
    waits: true,
    postgres: true,
    old: more(owner),
    new: more('owner = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="+")'),
    base: {
      '0002_owner': migration(
        first,
        `migrations.AddField("order", "owner_id", models.BigIntegerField(null=True)), ${sql("INSERT INTO shop_order (note, owner_id) VALUES ('n', 999999)")}`,
      ),
    },
    migrations: {
      ...keyForNewRows,
    },
  },
]

const data = (field: string) => initial.replace('("tags"', `("data", ${field}), ("tags"`)
const withCheck = (condition: string) =>
  initial
    .trimEnd()
    .replace(/,?\s*\]$/, `, ${check('kept', condition)}]\n`)
    .replace(/^/, withDjango)

/** Removals whose column has a constraint: it stays with the column while they are held back. */
export const removals: readonly LoadCase[] = [
  {
    name: 'a JSON column removed, which may be NULL',
    kind: 'unsafe',
    since: 3.1,
    old: more('data = models.JSONField(null=True)'),
    new: base,
    initial: data('models.JSONField(null=True)'),
    migrations: next('migrations.RemoveField("order", "data")'),
  },
  {
    name: 'a JSON column removed, which has a default',
    kind: 'unsafe',
    since: 3.1,
    old: more('data = models.JSONField(default=dict)'),
    new: base,
    initial: data('models.JSONField(default=dict)'),
    migrations: next('migrations.RemoveField("order", "data")'),
  },
  {
    name: 'a number removed with the check that its default passes',
    kind: 'unsafe',
    old: more('data = models.PositiveIntegerField(default=1)'),
    new: base,
    initial: data('models.PositiveIntegerField(default=1)'),
    migrations: next('migrations.RemoveField("order", "data")'),
  },
  {
    name: 'a column removed with its check, which refuses NULL',
    kind: 'unsafe',
    old: `${withDjango}${but(ref, '    ref = models.CharField(max_length=50, null=True, default="r")\n')}`,
    new: but(ref, ''),
    initial: withCheck('models.Q(ref__isnull=False)'),
    migrations: next(
      'migrations.RemoveConstraint("order", "kept"), migrations.RemoveField("order", "ref")',
    ),
  },
  {
    name: 'a column removed with its check, which looks at another one, too',
    kind: 'unsafe',
    old: `${withDjango}${but(ref, '    ref = models.CharField(max_length=50, null=True, default="r")\n')}`,
    new: but(ref, ''),
    initial: withCheck('~models.Q(note=models.F("ref"))'),
    migrations: next(
      'migrations.RemoveConstraint("order", "kept"), migrations.RemoveField("order", "ref")',
    ),
  },
]

/** New columns whose default Django takes away again, at once or by a later change of the column. */
export const additions: readonly LoadCase[] = [
  {
    name: 'a column that keeps its default becomes longer',
    kind: 'unsafe',
    old: base,
    new: more('added = models.CharField(max_length=20, default="red")'),
    base: next(
      `migrations.AddField("order", "added", ${red}), ${sql(`ALTER TABLE shop_order ALTER COLUMN added SET DEFAULT 'red'`)}`,
    ),
    migrations: {
      '0003_longer': migration(
        '0002_next',
        'migrations.AlterField("order", "added", models.CharField(max_length=20, default="red"))',
      ),
    },
  },
  ...addedColumns(),
]

function addedColumns(): readonly LoadCase[] {
  const fields: readonly (readonly [name: string, field: string])[] = [
    ['a text', 'models.TextField(default="t")'],
    ['a number', 'models.DecimalField(max_digits=6, decimal_places=2, default=1)'],
    ['a day', 'models.DateField(default=datetime.date(2020, 2, 29))'],
    ['a flag', 'models.BooleanField(default=True)'],
    ['a name with quotes', 'models.CharField(max_length=20, default="it\'s")'],
  ]
  return fields.map(([name, field]) => ({
    name: `${name} added, with a Python default`,
    kind: 'unsafe',
    old: base,
    new: `import datetime\n${more(`added = ${field}`)}`,
    migrations: next(`migrations.AddField("order", "added", ${field})`, 'import datetime\n'),
  }))
}

export const loadCases: readonly LoadCase[] = [...ofJudge, ...others, ...byLatestRows, ...removals]

/** Those that mean something to a version of Django, and to a database. */
export function casesOf(django: string, isPostgres = true): readonly LoadCase[] {
  return loadCases.filter(
    ({ since = 0, postgres }) => since <= Number(django) && (isPostgres || postgres === undefined),
  )
}

/** As `load.py` takes it. */
export const played = ({ initial: from = initial, ...one }: LoadCase) => ({
  base: {},
  ...one,
  initial: { '0001_initial': from },
})
