/** Migrations whose safe way is played (long/safe-ways.test.ts), beside those of cases.ts that have one. */
import { base, but, initialWith, next, note, ref, shopKey, type Case } from './cases.js'

export type WayCase = Pick<
  Case,
  'name' | 'since' | 'old' | 'new' | 'base' | 'initial' | 'migrations' | 'way'
>

const noteIs = (field: string) => but(note, `    note = ${field}\n`)
/** The note becomes another field. */
const altered = (from: string, to: string, more: Partial<WayCase> & { readonly name: string }) => ({
  old: noteIs(from),
  new: noteIs(to),
  initial: initialWith(from),
  migrations: next(`migrations.AlterField("order", "note", ${to})`),
  way: 'same' as const,
  ...more,
})
const withMeta = (options: string) => `${base}    class Meta:\n        ${options}\n`
const filledNote = (name: string) => `    ${name} = models.CharField(max_length=50, default=fill)\n`
const withFill = (models: string) => `def fill():\n    return "n"\n\n\n${models}`
const uniqueRef = '    ref = models.CharField(max_length=50, null=True, unique=True)\n'
const pair = 'models.UniqueConstraint(fields=["note", "ref"], name="pair")'
const kept =
  'models.CheckConstraint(name="kept", **{"condition" if django.VERSION >= (5, 1) else "check": ~models.Q(note="bad")})'
const loose = shopKey.replace('null=True', 'null=True, db_constraint=False')

export const wayCases: readonly WayCase[] = [
  {
    name: 'a unique field',
    old: base,
    new: but(ref, uniqueRef),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))',
    ),
    way: 'same',
  },
  {
    name: 'two fields that are unique together',
    old: base,
    new: withMeta('unique_together = [("note", "ref")]'),
    migrations: next('migrations.AlterUniqueTogether("order", {("note", "ref")})'),
    way: 'same',
  },
  {
    name: 'a unique constraint',
    old: base,
    new: withMeta(`constraints = [${pair}]`),
    migrations: next(`migrations.AddConstraint("order", ${pair})`),
    way: 'same',
  },
  {
    name: 'a field is renamed whose default is a function beside its model',
    old: withFill(base.replace(note, filledNote('note'))),
    new: withFill(base.replace(note, filledNote('text'))),
    initial: `import shop.models\n${initialWith('models.CharField(max_length=50, default=shop.models.fill)')}`,
    migrations: next('migrations.RenameField("order", "note", "text")'),
    way: 'another',
  },
  {
    name: 'a check',
    old: base,
    new: `import django\n${withMeta(`constraints = [${kept}]`)}`,
    migrations: next(`migrations.AddConstraint("order", ${kept})`, 'import django\n'),
    way: 'same',
  },
  {
    name: 'a foreign key of a column that had no constraint',
    old: but(shopKey, loose),
    new: base,
    initial: initialWith('models.CharField(max_length=50, default="n")').replace(
      'CASCADE, null=True',
      'CASCADE, null=True, db_constraint=False',
    ),
    migrations: next(
      'migrations.AlterField("order", "shop", models.ForeignKey("shop.shop", django.db.models.deletion.CASCADE, null=True))',
    ),
    way: 'same',
  },
  {
    name: 'NOT NULL with a default for the time of the migration alone',
    old: but(ref, '    ref = models.CharField(max_length=50, null=True)\n'),
    new: but(
      ref,
      '    ref = models.CharField(max_length=50)\n    def save(self, *args, **more):\n        self.ref = self.ref or "s"\n        super().save(*args, **more)\n',
    ),
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, default="once"), preserve_default=False)',
    ),
    way: 'same',
  },
  altered('models.IntegerField(default=1)', 'models.PositiveIntegerField(default=1)', {
    name: 'a number that is not negative',
  }),
  altered('models.BigIntegerField(default=1)', 'models.IntegerField(default=1)', {
    name: 'a smaller number',
  }),
  altered('models.TextField(default="n")', 'models.CharField(max_length=9, default="n")', {
    name: 'a text that gets a limit',
  }),
  altered(
    'models.DecimalField(max_digits=9, decimal_places=2, default=1)',
    'models.DecimalField(max_digits=5, decimal_places=2, default=1)',
    { name: 'fewer digits' },
  ),
  altered('models.IntegerField(default=1)', 'models.CharField(max_length=9, default="1")', {
    name: 'a text in place of a number',
    way: 'another',
  }),
  altered('models.CharField(max_length=9, default="1")', 'models.IntegerField(default=1)', {
    name: 'a number in place of a text',
    way: 'another',
  }),
  {
    name: 'a unique field by which the new code writes: the database has to have it',
    since: 4.2,
    old: base,
    new: `${but(ref, uniqueRef)}def write():\n    Order.objects.bulk_create([], update_conflicts=True, update_fields=["note"], unique_fields=["ref"])\n`,
    migrations: next(
      'migrations.AlterField("order", "ref", models.CharField(max_length=50, null=True, unique=True))',
    ),
    way: 'none',
  },
  altered(
    'models.CharField(max_length=9, null=True)',
    'models.CharField(max_length=99, default="n")',
    { name: 'NOT NULL, and longer texts, which the column does not take yet', way: 'none' },
  ),
  {
    name: 'a foreign key to another table, whose keys the old one refuses',
    old: base,
    new: but(shopKey, shopKey.replace('Shop,', '"Market",')).replace(
      'class Order',
      'class Market(models.Model):\n    name = models.CharField(max_length=20, default="s")\nclass Order',
    ),
    migrations: next(
      'migrations.CreateModel("Market", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20, default="s"))]), migrations.AlterField("order", "shop", models.ForeignKey("shop.market", django.db.models.deletion.CASCADE, null=True))',
    ),
    way: 'none',
  },
]
