/** Two versions of a project whose migrations cannot all be applied before the rollout: what is held back, and until when. */
import {
  addColour,
  base,
  but,
  deletesRows,
  initialWith,
  migration,
  next,
  note,
  ref,
  shopKey,
  tags,
  withColour,
} from './cases.js'

export interface PlacedCase {
  readonly name: string
  /** The first Django that this is true of. */
  readonly since?: number
  readonly old: string
  readonly new: string
  readonly migrations: Readonly<Record<string, string>>
  readonly initial?: string
  /** Of the spec. */
  readonly contract?: Readonly<Record<string, unknown>>
  /** Of the project, by path. */
  readonly files?: Readonly<Record<string, string>>
  readonly held: readonly string[]
  readonly bridges?: readonly string[]
  /** What was held back and is applied, with the reason. */
  readonly unheld?: readonly string[]
  /** What stays held back without being in the code. */
  readonly absent?: readonly string[]
  /** The release stops for another reason. */
  readonly stops?: true
  /** Why nothing can be held back: the release stops. */
  readonly stays?: string
  /** What of the code fails after the first release; of the old one also after the new one has written. */
  readonly oldFails?: readonly string[]
  readonly newFails?: readonly string[]
  /** The new version is migrated again, by the undo of a rollback. */
  readonly again?: true
  /** Columns after the first release, as far as they are named here, and after the second one; undefined: gone. */
  readonly columns?: Readonly<Record<string, string | undefined>>
  readonly later?: Readonly<Record<string, string | undefined>>
}

const removes = 'migrations.RemoveField("order", "note")'
const held = ['shop.0002_next']
const red = 'models.CharField(max_length=9, default="red")'
const colour = 'migrations.AddField("order", "colour", models.CharField(max_length=9, null=True))'
const withNote = (field: string) => but(note, `    note = ${field}\n`)

const shorter =
  'migrations.AlterField("order", "note", models.CharField(max_length=5, default="n"))'
const strictRef = '    ref = models.CharField(max_length=50, default="")\n'
const alterRef =
  'migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))'
const setsRef =
  '    def save(self, *args, **options):\n        self.ref = self.ref or "r"\n        super().save(*args, **options)\n'
const checkOf = (condition: string) =>
  `models.CheckConstraint(name="kept", **{"condition" if django.VERSION >= (5, 1) else "check": ${condition}})`
const lower = 'models.UniqueConstraint(models.functions.Lower("note"), name="kept")'
const filledLower =
  'models.UniqueConstraint(models.functions.Coalesce(models.functions.Lower("note"), models.Value("")), name="kept")'
const imports = 'import django\nimport django.db.models.functions\n'
const withMeta = (constraint: string) =>
  `${imports}${base.replace(tags, `${tags}    class Meta:\n        constraints = [${constraint}]\n`)}${ownNote}`
const withConstraint = (constraint: string) =>
  `${imports}${initialWith('models.CharField(max_length=50, default="n")').trimEnd().slice(0, -1)} migrations.AddConstraint("order", ${constraint})]\n`
/** No two rows of the old version are equal. */
const ownNote =
  '    def save(self, *args, **options):\n        import uuid\n        self.note = uuid.uuid4().hex if hasattr(self, "note") and not isinstance(self.note, int) else 1\n        super().save(*args, **options)\n'
const readsShop =
  '    def save(self, *args, **options):\n        self.shop = Shop.objects.get(name="main")\n        super().save(*args, **options)\n'
const usesSequence =
  '    def save(self, *args, **options):\n        from django.db import connection\n        connection.cursor().execute("SELECT nextval(%s)", ["order_no"])\n        super().save(*args, **options)\n'
const fill = 'def fill(apps, editor):\n    apps.get_model("shop", "Order").objects.update(ref="")\n'

export const placedCases: readonly PlacedCase[] = [
  {
    name: 'a nullable column is removed',
    old: base,
    new: but(ref, ''),
    migrations: next('migrations.RemoveField("order", "ref")'),
    held,
    columns: { 'shop_order.ref': 'NULL' },
    later: { 'shop_order.ref': undefined },
  },
  {
    name: 'a NOT NULL column is removed: it gets its default',
    old: base,
    new: but(note, ''),
    migrations: next(removes),
    held,
    bridges: ['default-set shop_order.note'],
    columns: { 'shop_order.note': 'NOT NULL DEFAULT' },
    later: { 'shop_order.note': undefined },
  },
  {
    name: 'a NOT NULL text with a computed default is removed: it gets the empty one',
    old: withNote('models.CharField(max_length=50, default=str)'),
    new: but(note, ''),
    initial: initialWith('models.CharField(max_length=50, default=str)'),
    migrations: next(removes),
    held,
    bridges: ['default-set shop_order.note'],
    columns: { 'shop_order.note': 'NOT NULL DEFAULT' },
    later: { 'shop_order.note': undefined },
  },
  {
    name: 'a NOT NULL number without a constant default is removed: it allows NULL',
    old: withNote('models.IntegerField(default=int)'),
    new: but(note, ''),
    initial: initialWith('models.IntegerField(default=int)'),
    migrations: next(removes),
    held,
    bridges: ['null-allowed shop_order.note'],
    columns: { 'shop_order.note': 'NULL' },
    later: { 'shop_order.note': undefined },
  },
  ...(
    [
      ['the time of its creation', 'models.DateTimeField(auto_now_add=True)'],
      ['a list', 'models.JSONField(default=list)'],
    ] as const
  ).map(([what, field]) => ({
    name: `${what} is removed: it gets the value that the old version gives`,
    since: 3.1,
    old: withNote(field),
    new: but(note, ''),
    initial: initialWith(field),
    migrations: next(removes),
    held,
    bridges: ['default-set shop_order.note'],
    columns: { 'shop_order.note': 'NOT NULL DEFAULT' },
    later: { 'shop_order.note': undefined },
  })),
  {
    name: 'the same without bridges',
    old: base,
    new: but(note, ''),
    migrations: next(removes),
    contract: { bridge: 'off' },
    held: [],
    stays:
      'the new version does not set shop_order.note, which stays NOT NULL without a database default',
  },
  {
    name: 'a NOT NULL column with a Python default is added',
    old: base,
    new: withColour(red),
    migrations: addColour(red),
    held: [],
    bridges: ['default-kept shop_order.colour'],
    columns: { 'shop_order.colour': 'NOT NULL DEFAULT' },
    later: { 'shop_order.colour': 'NOT NULL' },
  },
  {
    name: 'a column becomes NOT NULL while the old code writes NULL',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=50, default="")\n'),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, default=""))',
    ),
    held,
    columns: { 'shop_order.ref': 'NULL' },
  },
  {
    name: 'a model is deleted',
    old: base,
    new: base.split('class Order')[0] ?? '',
    migrations: next('migrations.DeleteModel("Order")'),
    held,
    bridges: [
      'on-delete shop_order.shop_id',
      'on-delete shop_order_tags.order_id',
      'on-delete shop_order_tags.shop_id',
    ],
    later: { 'shop_order.note': undefined },
  },
  {
    name: 'a foreign key is removed',
    old: base,
    new: but(shopKey, ''),
    migrations: next('migrations.RemoveField("order", "shop")'),
    held,
    bridges: ['on-delete shop_order.shop_id'],
  },
  {
    name: 'a many-to-many field is removed',
    old: base,
    new: but(tags, ''),
    migrations: next('migrations.RemoveField("order", "tags")'),
    held,
    bridges: ['on-delete shop_order_tags.order_id', 'on-delete shop_order_tags.shop_id'],
  },
  {
    name: 'what depends on a removal is held back with it, and what comes before is applied',
    old: base,
    new: but(note, '').replace(
      ref,
      `${ref}    colour = models.CharField(max_length=9, null=True)\n`,
    ),
    migrations: {
      ...next(colour),
      '0003_no_note': migration('0002_next', removes),
      '0004_name': migration(
        '0003_no_note',
        'migrations.AlterField("shop", "name", models.CharField(max_length=20, default="s", help_text="h"))',
      ),
    },
    held: ['shop.0003_no_note', 'shop.0004_name'],
    again: true,
    bridges: ['default-set shop_order.note'],
    columns: { 'shop_order.colour': 'NULL' },
    later: { 'shop_order.note': undefined },
  },
  {
    name: 'one file removes and adds',
    old: base,
    new: but(note, '    colour = models.CharField(max_length=9, null=True)\n'),
    migrations: next(`${removes}, ${colour}`),
    held: [],
    stays:
      'shop.0002_next also makes shop_order.colour, which the new version needs: put the removal into a separate migration',
  },
  {
    name: 'what the new version needs comes after a removal',
    old: base,
    new: but(note, '    colour = models.CharField(max_length=9, null=True)\n'),
    migrations: { ...next(removes), '0003_colour': migration('0002_next', colour) },
    held: [],
    stays:
      'shop.0003_colour depends on shop.0002_next, and makes shop_order.colour, which the new version needs: let the removal come last',
  },
  {
    name: 'one file adds, fills and sets NOT NULL',
    old: base,
    new: withColour('models.CharField(max_length=9)'),
    migrations: next(
      `${colour}, migrations.RunSQL("UPDATE shop_order SET colour = 'red'"), migrations.AlterField("order", "colour", models.CharField(max_length=9))`,
    ),
    held: [],
    stays: 'shop.0002_next also makes shop_order.colour, which the new version needs',
  },
  {
    name: 'a column is renamed',
    old: base,
    new: but('    note =', '    text ='),
    migrations: next('migrations.RenameField("order", "note", "text")'),
    held: [],
    stays: 'the new version uses shop_order.text, which shop.0002_next makes by a new name',
  },
  {
    name: 'the pods migrate by a script of the image',
    old: base,
    new: but(ref, ''),
    migrations: next('migrations.RemoveField("order", "ref")'),
    files: { 'start.sh': '#!/bin/sh\npython manage.py migrate\nexec gunicorn\n' },
    contract: { starts: ['./start.sh'] },
    held: [],
    stays: './start.sh migrates by itself',
  },
  {
    name: 'the pods start a command of the project that may migrate',
    old: base,
    new: but(ref, ''),
    migrations: next('migrations.RemoveField("order", "ref")'),
    files: { 'start.sh': '#!/bin/sh\npython manage.py migrate_all\nexec gunicorn\n' },
    contract: { starts: ['./start.sh'] },
    held: [],
    stays: './start.sh migrates by itself',
  },
  {
    name: 'the project overrides the migrate command',
    old: base,
    new: but(ref, ''),
    migrations: next('migrations.RemoveField("order", "ref")'),
    files: {
      'shop/management/commands/migrate.py':
        'from django.core.management.commands.migrate import Command\n',
    },
    held: [],
    stays: 'the project overrides the migrate command',
  },
  {
    name: 'a unique column whose rows would all have the same default',
    old: base,
    new: withColour('models.CharField(max_length=9, unique=True, blank=True)'),
    migrations: next(
      `migrations.RunSQL("${deletesRows}"), migrations.AddField("order", "colour", models.CharField(max_length=9, unique=True, blank=True), preserve_default=True)`,
    ),
    held: [],
    stays: 'shop.0002_next also makes shop_order.colour, which the new version needs',
  },
  {
    name: 'the release stops for another reason',
    old: base,
    new: but(ref, '').replace(note, ''),
    migrations: {
      ...next(
        'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "note")])',
      ),
      '0003_no_ref': migration('0002_next', 'migrations.RemoveField("order", "ref")'),
    },
    held: ['shop.0003_no_ref'],
    stops: true,
  },
  {
    name: 'what was held back for the command "migrate" is applied where the new version needs what depends on it',
    old: but(ref, ''),
    new: but(ref, '    colour = models.CharField(max_length=9, null=True)\n'),
    migrations: {
      ...next('migrations.RemoveField("order", "ref")'),
      '0003_colour': migration('0002_next', colour),
    },
    contract: { policy: 'manual', stay: ['shop.0002_next', 'shop.0002_other_branch'] },
    held: [],
    unheld: [
      'shop.0002_next: shop.0003_colour depends on shop.0002_next, and makes shop_order.colour, which the new version needs: let the removal come last',
    ],
    absent: ['shop.0002_other_branch'],
    columns: { 'shop_order.ref': undefined, 'shop_order.colour': 'NULL' },
    later: { 'shop_order.ref': undefined, 'shop_order.colour': 'NULL' },
  },
  {
    name: 'an accepted finding is applied now',
    old: base,
    new: but(ref, ''),
    migrations: {
      '0002_next': `${next('migrations.RemoveField("order", "ref")')['0002_next']}# django-rollout: allow column-gone shop_order.ref: nobody is there\n`,
    },
    held: [],
    columns: { 'shop_order.ref': undefined },
    oldFails: ['Order.insert', 'Order.read', 'Order.save', 'Order.tags'],
  },
  {
    name: 'what the new version needs has the name of what is removed',
    old: base,
    new: but(ref, '').replace(note, '    note = models.CharField(max_length=50, null=True)\n'),
    migrations: next(`${removes}, migrations.RenameField("order", "ref", "note")`),
    held: [],
    stays:
      'shop.0002_next also puts another column in the place of shop_order.note: put the removal into a separate migration',
  },
  {
    name: 'a field is removed and made anew by the next migration',
    old: base,
    new: base,
    migrations: {
      ...next(removes),
      '0003_note': migration(
        '0002_next',
        'migrations.AddField("order", "note", models.CharField(max_length=50, default="n"))',
      ),
    },
    held: [],
    stays:
      'shop.0003_note depends on shop.0002_next, and puts another column in the place of shop_order.note: let the removal come last',
  },
  {
    name: 'a column becomes a number',
    old: base,
    new: withNote('models.IntegerField(default=1)'),
    migrations: next(
      'migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN note DROP DEFAULT, ALTER COLUMN note TYPE integer USING 1", state_operations=[migrations.AlterField("order", "note", models.IntegerField(default=1))])',
    ),
    held: [],
    stays:
      'shop.0002_next also changes the type of shop_order.note: put the removal into a separate migration',
  },
  {
    name: 'what becomes longer comes after a removal',
    old: base,
    new: but(ref, '').replace(
      note,
      '    note = models.CharField(max_length=500, default="n" * 100)\n',
    ),
    migrations: {
      ...next('migrations.RemoveField("order", "ref")'),
      '0003_longer': migration(
        '0002_next',
        'migrations.AlterField("order", "note", models.CharField(max_length=500, default="n" * 100))',
      ),
    },
    held: [],
    stays:
      'shop.0003_longer depends on shop.0002_next, and changes the type of shop_order.note: let the removal come last',
  },
  {
    name: 'the migration that removes a column copies it first',
    old: base,
    new: but(ref, ''),
    migrations: next(
      'migrations.RunPython(copy), migrations.RemoveField("order", "ref")',
      'def copy(apps, editor):\n    apps.get_model("shop", "Order").objects.update(note=models.F("ref"))\n',
    ),
    held: [],
    stays:
      'shop.0002_next also runs RunPython, whose rows the new version may need: put the removal into a separate migration',
  },
  {
    name: 'a constraint of the new version comes off after a removal',
    old: base.replace(
      note,
      '    note = models.CharField(max_length=50, default="n", unique=True)\n',
    ),
    new: but(ref, ''),
    initial: initialWith('models.CharField(max_length=50, default="n", unique=True)'),
    migrations: {
      ...next('migrations.RemoveField("order", "ref")'),
      '0003_same': migration(
        '0002_next',
        'migrations.AlterField("order", "note", models.CharField(max_length=50, default="n"))',
      ),
    },
    held: [],
    stays:
      'shop.0003_same depends on shop.0002_next, and drops a constraint on shop_order.note, which the new version may violate: let the removal come last',
  },
  {
    name: 'a column is removed with a constraint that is on it',
    old: base.replace(
      tags,
      `${tags}    class Meta:\n        unique_together = [("note", "ref")]\n`,
    ),
    new: but(note, ''),
    initial: `${initialWith('models.CharField(max_length=50, default="n")').trimEnd().slice(0, -1)} migrations.AlterUniqueTogether("order", {("note", "ref")})]\n`,
    migrations: next(`migrations.AlterUniqueTogether("order", set()), ${removes}`),
    held,
    bridges: ['null-allowed shop_order.note'],
  },
  {
    name: 'a column is removed with a check over it and one that stays',
    old: withMeta(checkOf('~models.Q(note=models.F("ref"))')),
    new: `${but(note, '')}    def save(self, *args, **options):\n        self.ref = "n"\n        super().save(*args, **options)\n`,
    initial: withConstraint(checkOf('~models.Q(note=models.F("ref"))')),
    migrations: next(`migrations.RemoveConstraint("order", "kept"), ${removes}`),
    held: [],
    stays:
      'shop.0002_next also drops kept, by which shop_order may refuse what the new version writes: put the removal into a separate migration',
  },
  {
    name: 'the check over a removed column comes off by a migration before it',
    old: withMeta(checkOf('~models.Q(note=models.F("ref"))')),
    new: `${but(note, '')}    def save(self, *args, **options):\n        self.ref = "n"\n        super().save(*args, **options)\n`,
    initial: withConstraint(checkOf('~models.Q(note=models.F("ref"))')),
    migrations: {
      ...next('migrations.RemoveConstraint("order", "kept")'),
      '0003_removed': migration('0002_next', removes),
    },
    held: ['shop.0003_removed'],
    bridges: ['default-set shop_order.note'],
  },
  {
    name: 'a nullable column is removed with a check that it has a value',
    old: withMeta(checkOf('models.Q(ref__isnull=False)')).replace(
      ref,
      '    ref = models.CharField(max_length=50, null=True, default="r")\n',
    ),
    new: but(ref, ''),
    initial: withConstraint(checkOf('models.Q(ref__isnull=False)')),
    migrations: next(
      'migrations.RemoveConstraint("order", "kept"), migrations.RemoveField("order", "ref")',
    ),
    held: [],
    stays:
      'shop.0002_next also drops kept, by which shop_order may refuse what the new version writes: put the removal into a separate migration',
  },
  {
    name: 'a nullable column is removed with a check that NULL passes',
    old: withMeta(checkOf('~models.Q(ref="x")')),
    new: but(ref, ''),
    initial: withConstraint(checkOf('~models.Q(ref="x")')),
    migrations: next(
      'migrations.RemoveConstraint("order", "kept"), migrations.RemoveField("order", "ref")',
    ),
    held,
  },
  {
    name: 'a column is removed whose check of SQL goes with it',
    old: but(ref, '    ref = models.CharField(max_length=50, null=True, default="r")\n'),
    new: but(ref, ''),
    initial: `${initialWith('models.CharField(max_length=50, default="n")').trimEnd().slice(0, -1)} migrations.RunSQL("ALTER TABLE shop_order ADD CONSTRAINT kept CHECK (ref IS NOT NULL)")]\n`,
    migrations: next('migrations.RemoveField("order", "ref")'),
    held: [],
    stays:
      'shop.0002_next also drops kept, by which shop_order may refuse what the new version writes: put the removal into a separate migration',
  },
  {
    name: 'a number is removed with a check that its default passes',
    old: withNote('models.PositiveIntegerField(default=1)'),
    new: but(note, ''),
    initial: initialWith('models.PositiveIntegerField(default=1)'),
    migrations: next(removes),
    held,
    bridges: ['default-set shop_order.note'],
  },
  {
    name: 'a column is removed with a unique constraint over an expression of it',
    since: 4.0,
    old: withMeta(lower),
    new: but(note, ''),
    initial: withConstraint(lower),
    migrations: next(`migrations.RemoveConstraint("order", "kept"), ${removes}`),
    held,
    bridges: ['null-allowed shop_order.note'],
  },
  {
    name: 'a column is removed with a unique constraint over an expression that makes a value of NULL',
    since: 4.0,
    old: withMeta(filledLower),
    new: but(note, ''),
    initial: withConstraint(filledLower),
    migrations: next(`migrations.RemoveConstraint("order", "kept"), ${removes}`),
    held: [],
    stays:
      'shop.0002_next also drops kept, by which shop_order may refuse what the new version writes: put the removal into a separate migration',
  },
  {
    name: 'a column with a database default is removed with its unique constraint',
    since: 5.0,
    old: `${withNote('models.CharField(max_length=50, db_default="n", unique=True)')}${ownNote}`,
    new: but(note, ''),
    initial: initialWith('models.CharField(max_length=50, db_default="n", unique=True)'),
    migrations: next(removes),
    held: [],
    stays:
      'shop.0002_next also drops shop_order_note_key, by which shop_order may refuse what the new version writes: put the removal into a separate migration',
  },
  {
    name: 'what allows NULL comes after a removal',
    old: base,
    new: but(ref, '').replace(note, '    note = models.CharField(max_length=50, null=True)\n'),
    migrations: {
      ...next('migrations.RemoveField("order", "ref")'),
      '0003_null': migration(
        '0002_next',
        'migrations.AlterField("order", "note", models.CharField(max_length=50, null=True))',
      ),
    },
    held: [],
    stays:
      'shop.0003_null depends on shop.0002_next, and allows NULL in shop_order.note: let the removal come last',
  },
  {
    name: 'NULL to NOT NULL comes after a migration that fills the rows',
    old: base,
    new: but(ref, strictRef),
    migrations: {
      ...next('migrations.RunPython(fill)', fill),
      '0003_strict': migration('0002_next', alterRef),
    },
    held: ['shop.0003_strict'],
    columns: { 'shop_order.ref': 'NULL' },
    later: { 'shop_order.ref': 'NOT NULL' },
  },
  {
    name: 'NULL to NOT NULL in the migration that fills the rows',
    old: base,
    new: but(ref, strictRef),
    migrations: next(`migrations.RunPython(fill), ${alterRef}`, fill),
    held: [],
    stays:
      'shop.0002_next also runs RunPython, whose rows the new version may need: put NOT NULL into a separate migration',
  },
  {
    name: 'the same where the latest rows have a value: applied with a warning',
    old: but(ref, `${ref}${setsRef}`),
    new: but(ref, strictRef),
    migrations: next(`migrations.RunPython(fill), ${alterRef}`, fill),
    held: [],
    columns: { 'shop_order.ref': 'NOT NULL' },
  },
  {
    name: 'a column becomes shorter',
    old: base,
    new: withNote('models.CharField(max_length=5, default="n")'),
    migrations: next(shorter),
    held,
  },
  {
    name: 'a column becomes shorter where the new version needs more of the migration: applied with a warning',
    old: base,
    new: withNote('models.CharField(max_length=5, default="n")').replace(
      ref,
      `${ref}    colour = models.CharField(max_length=9, null=True)\n`,
    ),
    migrations: next(`${shorter}, ${colour}`),
    held: [],
    columns: { 'shop_order.colour': 'NULL' },
  },
  {
    name: 'the same after a step in Python',
    old: base,
    new: withNote('models.CharField(max_length=5, default="n")').replace(
      ref,
      `${ref}    colour = models.CharField(max_length=9, null=True)\n`,
    ),
    migrations: {
      ...next('migrations.RunPython(fill)', fill),
      '0003_both': migration('0002_next', `${shorter}, ${colour}`),
    },
    held: [],
    columns: { 'shop_order.colour': 'NULL' },
  },
  {
    name: 'a column becomes shorter beside an index by SQL and what no version needs',
    old: base,
    new: withNote('models.CharField(max_length=5, default="n")'),
    migrations: next(
      `migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE; CREATE INDEX noted ON shop_order (note); COMMENT ON TABLE shop_order IS 'o'; ALTER TABLE shop_order ALTER COLUMN note SET STATISTICS 9"), ${shorter}`,
    ),
    held,
  },
  {
    name: 'a column becomes shorter beside a row that the new version reads: applied with a warning',
    old: base,
    new: `${withNote('models.CharField(max_length=5, default="n")')}${readsShop}`,
    migrations: next(
      `migrations.RunSQL("INSERT INTO shop_shop (name) VALUES ('main')"), ${shorter}`,
    ),
    held: [],
  },
  {
    name: 'a column becomes shorter beside a sequence that the new version uses: applied with a warning',
    old: base,
    new: `${withNote('models.CharField(max_length=5, default="n")')}${usesSequence}`,
    migrations: next(`migrations.RunSQL("CREATE SEQUENCE order_no"), ${shorter}`),
    held: [],
  },
  {
    name: 'a column becomes shorter beside an extension: applied with a warning',
    old: base,
    new: withNote('models.CharField(max_length=5, default="n")'),
    migrations: next(
      `UnaccentExtension(), ${shorter}`,
      'from django.contrib.postgres.operations import UnaccentExtension\n',
    ),
    held: [],
  },
  {
    name: 'a sequence that the new version uses comes after a removal',
    old: base,
    new: `${but(ref, '')}${usesSequence}`,
    migrations: {
      ...next('migrations.RemoveField("order", "ref")'),
      '0003_sequence': migration('0002_next', 'migrations.RunSQL("CREATE SEQUENCE order_no")'),
    },
    held: [],
    stays:
      'shop.0003_sequence depends on shop.0002_next, and runs "CREATE SEQUENCE order_no", which the new version may need: let the removal come last',
  },
  {
    name: 'a unique constraint that the new version may write by is made beside a removal',
    old: base,
    new: but(ref, '').replace(
      note,
      '    note = models.CharField(max_length=50, null=True, unique=True)\n',
    ),
    initial: initialWith('models.CharField(max_length=50, null=True)'),
    migrations: next(
      'migrations.RemoveField("order", "ref"), migrations.AlterField("order", "note", models.CharField(max_length=50, null=True, unique=True))',
    ),
    held: [],
    stays:
      'shop.0002_next also makes a constraint that the new version may write by: put it into a separate migration',
  },
  {
    name: 'a column becomes shorter with a unique constraint: applied with a warning',
    old: base,
    new: but(ref, '    ref = models.CharField(max_length=9, null=True, unique=True)\n'),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=9, null=True, unique=True))',
    ),
    held: [],
  },
  {
    name: 'a column whose default is kept gets a unique constraint, which the old code violates with it',
    old: `${base}    def save(self, *args, **options):\n        super().save(*args, **options)\n        Order.objects.bulk_create([Order(), Order()])\n`,
    new: withColour(red),
    migrations: {
      ...addColour(red),
      '0003_once': migration(
        '0002_next',
        `migrations.RunSQL("UPDATE shop_order SET colour = 'c' || id"), migrations.AddConstraint("order", models.UniqueConstraint(fields=["note", "colour"], name="once"))`,
      ),
    },
    held: [],
    stays: 'the new version may write by shop_order.colour,note (ON CONFLICT, an IntegrityError)',
  },
  {
    name: 'a column becomes shorter by SQL alone, for the new version as well',
    old: base,
    new: base,
    migrations: next(
      'migrations.RunSQL("ALTER TABLE shop_order ALTER COLUMN note TYPE varchar(9)", migrations.RunSQL.noop)',
    ),
    held: [],
  },
  {
    name: 'a column of numbers becomes a foreign key',
    // Before, a model has no setting for the type of its id.
    since: 3.2,
    old: base.replace(ref, `${ref}    owner_id = models.BigIntegerField(null=True)\n`),
    new: base.replace(
      ref,
      `${ref}    owner = models.ForeignKey(Shop, models.CASCADE, null=True, related_name="+", db_column="owner_id")\n`,
    ),
    initial: initialWith('models.CharField(max_length=50, default="n")').replace(
      '("tags"',
      '("owner_id", models.BigIntegerField(null=True)), ("tags"',
    ),
    migrations: next(
      'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "owner_id"), migrations.AddField("order", "owner", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True, related_name="+", db_column="owner_id"))], database_operations=[migrations.RunSQL("ALTER TABLE shop_order ADD CONSTRAINT owns FOREIGN KEY (owner_id) REFERENCES shop_shop NOT VALID", migrations.RunSQL.noop)])',
    ),
    held,
  },
  {
    name: 'what changes nothing for the old code is not held back',
    old: base,
    new: base
      .replace(
        note,
        '    note = models.CharField(max_length=80, default="n", blank=True, choices=[("n", "N")], db_index=True)\n',
      )
      .replace(ref, '    ref = models.CharField(max_length=50, null=True, unique=True)\n'),
    migrations: {
      ...next(
        'migrations.AlterField("order", "note", models.CharField(max_length=80, default="n", blank=True, choices=[("n", "N")], db_index=True))',
      ),
      '0003_unique': migration(
        '0002_next',
        'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))',
      ),
    },
    held: [],
  },
  {
    name: 'one file removes and adds, after a step in Python',
    old: base,
    new: but(note, '    colour = models.CharField(max_length=9, null=True)\n'),
    migrations: {
      ...next('migrations.RunPython(fill)', fill),
      '0003_both': migration('0002_next', `${removes}, ${colour}`),
    },
    held: [],
    stays:
      'shop.0003_both also makes shop_order.colour, which the new version needs: put the removal into a separate migration',
  },
]
