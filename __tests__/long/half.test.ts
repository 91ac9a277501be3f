/** Migrations that fail halfway where no transaction takes them back: what is told of them, and whether it mends them. */
import { beforeAll, describe, expect, test } from '@jest/globals'
import { verifiedOf } from '../../src/django/verdict.js'
import { withLeft } from '../../src/report/half-sentences.js'
import { next } from '../migrations/cases.js'
import { playHalves, type Engine, type HalfCase } from '../migrations/load.js'

const colour = 'migrations.AddField("order", "colour", models.CharField(max_length=9, null=True)), '
const unique =
  'migrations.AddConstraint("order", models.UniqueConstraint(fields=["note"], name="one_note"))'
const remark =
  'migrations.CreateModel("Remark", [("id", models.BigAutoField(primary_key=True)), ("order", models.ForeignKey("shop.order", django.db.models.deletion.CASCADE)), ("text", models.CharField(max_length=9, db_index=True))]), '
const key =
  'migrations.AddField("order", "parent", models.ForeignKey("shop.order", django.db.models.deletion.CASCADE, null=True)), '
const index = 'migrations.AddIndex("order", models.Index(fields=["ref"], name="by_ref")), '
const equal = 'UPDATE shop_order SET note = id'

const cases: readonly (HalfCase & { readonly sentence: string })[] = [
  {
    name: 'a column, and unique over rows that are equal',
    migrations: next(colour + unique),
    mends: equal,
    sentence:
      'done, and kept by the database: Add field colour to order; not done: Create constraint one_note on model order',
  },
  {
    name: 'a table with foreign key and index, a foreign key, an index, and unique over rows that are equal',
    migrations: next(remark + key + index + unique),
    mends: equal,
    sentence:
      'done, and kept by the database: Create model Remark, Add field parent to order, Create index by_ref on field(s) ref of model order; not done: Create constraint one_note on model order',
  },
  {
    name: 'a column, a step in Python that fails, and unique',
    migrations: next(
      `${colour}migrations.RunPython(fill), ${unique}`,
      'def fill(apps, editor):\n    if apps.get_model("shop", "Order").objects.filter(note="n").count() > 1: raise ValueError("equal")\n',
    ),
    mends: equal,
    sentence:
      'done, and kept by the database: Add field colour to order; not done: Create constraint one_note on model order; perhaps done: Raw Python operation',
  },
]
const withoutTransaction = (one: HalfCase): HalfCase => ({
  ...one,
  migrations: Object.fromEntries(
    Object.entries(one.migrations).map(([file, text]) => [
      file,
      text.replace('    operations', '    atomic = False\n    operations'),
    ]),
  ),
})

const engines: readonly (readonly [Engine, readonly HalfCase[]])[] = [
  ['mariadb', cases],
  ['postgres:17', cases.map(withoutTransaction)],
]

describe.each(engines)('on %s', (engine, played) => {
  let seen: Awaited<ReturnType<typeof playHalves>>

  beforeAll(async () => {
    seen = await playHalves(played, { django: '5.2', engine })
  }, 600_000)

  test.each(cases.map((one, at) => ({ ...one, at })))('$name', ({ at, name, sentence }) => {
    const one = seen[at]
    if (!one || 'error' in one) throw new Error(one?.error ?? `${name} was not played`)
    // It fails, fails again, ends when it was taken back, fails when its row is lost, and is over when it is recorded.
    expect(one.codes.map((code) => code === 0)).toEqual([false, false, true, false, true])
    const [failed, again, , lost] = one.told.map((verified) => {
      const read = verifiedOf({ verified })
      return withLeft({ code: 'migration-failed', sentence: '' }, 'why' in read ? [] : read)
    })
    expect([failed?.sentence, again?.sentence]).toEqual([`; ${sentence}`, `; ${sentence}`])
    const [, ...commands] = failed?.hint?.split('\n') ?? []
    expect(commands).toEqual(one.back)
    expect(again?.hint).toMatch(/; if an earlier failure has left .*:\n/)
    expect(lost?.hint).toMatch(/\npython manage\.py migrate --fake shop 0002_next$/)
  })
})
