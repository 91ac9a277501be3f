/** Ways back by the newer version: what it says of the reversal, and what the code of each version does after it. */

export interface BackCase {
  readonly name: string
  /** The models of the newer version. */
  readonly new: string
  /** Its migrations: a name, and the operations. */
  readonly migrations: readonly (readonly [string, string])[]
  /** Applied since the older version ran; missing: all of them. */
  readonly since?: readonly string[]
  readonly how: 'tell' | 'lossless' | 'any'
  readonly downtime?: true
  /** What fits no better without any of these migrations does not count. */
  readonly onlyNew?: true
  /** Run by another client, before. */
  readonly sql?: string
  /** Written by the newer version, in Python. */
  readonly rows?: string
  readonly expected: SeenBack
}

export interface SeenBack {
  readonly does: string
  /** Reversed, the last one first; where nothing is, what would be. */
  readonly migrations: readonly string[]
  /** `shop_order.x 1`: how many rows have a value that is dropped. */
  readonly drops: readonly string[]
  readonly newFits: boolean
  readonly applied: readonly string[]
  /** What fails afterwards: `read`, `insert`. */
  readonly old: readonly string[]
  readonly new: readonly string[]
}

/** What `reversing.py` has seen. */
export interface PlayedBack {
  readonly seen: {
    readonly code: number
    readonly output: string
    readonly plan: {
      readonly reversal: {
        readonly do: string
        readonly databases: readonly {
          readonly migrations: readonly string[]
          readonly newFits: boolean
          readonly drops: readonly {
            readonly object: string
            readonly rows: number | null
            readonly cut?: true
          }[]
        }[]
      }
    }
  }
  readonly applied: readonly string[]
  readonly old: readonly string[]
  readonly new: readonly string[]
}

export function seenBack({ seen, applied, old, new: coming }: PlayedBack): SeenBack {
  if (seen.code !== 0) throw new Error(seen.output)
  const { do: does, databases } = seen.plan.reversal
  return {
    does,
    migrations: databases.flatMap(({ migrations }) => migrations),
    drops: databases.flatMap(({ drops }) =>
      drops.map(({ object, rows, cut }) => `${cut ? 'part of ' : ''}${object} ${rows}`),
    ),
    newFits: databases.every(({ newFits }) => newFits),
    applied,
    old,
    new: coming,
  }
}

const note = '    note = models.CharField(max_length=50, default="n")\n'
export const plainModels = `
class Shop(models.Model):
    name = models.CharField(max_length=20, default="s")
class Order(models.Model):
${note}`
export const plainMigrations = [
  [
    '0001_initial',
    `migrations.CreateModel("Shop", [("id", models.BigAutoField(primary_key=True)), ("name", models.CharField(max_length=20, default="s"))]),
     migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True)), ("note", models.CharField(max_length=50, default="n"))])`,
  ],
]

const first = '0001_initial'
const [renamed, added] = ['0002_rename', '0002_x']
const rename = 'migrations.RenameField("order", "note", "text")'
const withText = plainModels.replace('note =', 'text =')
const x = 'models.IntegerField(default=3)'
const withX = `${plainModels}    x = ${x}\n`
const addX = `migrations.AddField("order", "x", ${x})`
const addTown = 'migrations.AddField("shop", "town", models.CharField(max_length=9, null=True))'
const withTown = (models: string) =>
  models.replace(
    'default="s")\n',
    'default="s")\n    town = models.CharField(max_length=9, null=True)\n',
  )
const both = ['read', 'insert']

export const backCases: readonly BackCase[] = [
  {
    name: 'a column that is only new is no reason to reverse anything',
    new: withTown(plainModels),
    migrations: [['0002_town', addTown]],
    how: 'any',
    expected: {
      does: 'fits',
      migrations: [],
      drops: [],
      newFits: true,
      applied: [first, '0002_town'],
      old: [],
      new: [],
    },
  },
  {
    name: 'a renamed column gets its name back, and its values stay',
    new: withText,
    migrations: [[renamed, rename]],
    how: 'lossless',
    downtime: true,
    rows: 'Order.objects.create(text="mine")',
    expected: {
      does: 'reverse',
      migrations: [`shop.${renamed}`],
      drops: [],
      newFits: false,
      applied: [first],
      old: [],
      new: both,
    },
  },
  {
    name: 'where both orders break a version, nothing is reversed before somebody accepts it',
    new: withText,
    migrations: [[renamed, rename]],
    how: 'any',
    expected: {
      does: 'downtime',
      migrations: [`shop.${renamed}`],
      drops: [],
      newFits: false,
      applied: [first, renamed],
      old: both,
      new: [],
    },
  },
  {
    name: 'a nullable column comes back while the newer version runs',
    new: plainModels.replace(note, '    pass\n'),
    migrations: [
      [
        '0002_null',
        'migrations.AlterField("order", "note", models.CharField(max_length=50, null=True))',
      ],
      ['0003_drop', 'migrations.RemoveField("order", "note")'],
    ],
    how: 'any',
    expected: {
      does: 'reverse',
      migrations: ['shop.0003_drop'],
      drops: [],
      newFits: true,
      applied: [first, '0002_null'],
      old: [],
      new: [],
    },
  },
  {
    name: 'a step in Python without a way back on the way',
    new: withText,
    migrations: [
      [renamed, rename],
      ['0003_python', 'migrations.RunPython(lambda apps, editor: None)'],
    ],
    how: 'any',
    downtime: true,
    expected: {
      does: 'impossible',
      migrations: ['shop.0003_python', `shop.${renamed}`],
      drops: [],
      newFits: false,
      applied: [first, renamed, '0003_python'],
      old: both,
      new: [],
    },
  },
  {
    name: 'a value that would be dropped is counted, and kept',
    new: withX,
    migrations: [[added, addX]],
    how: 'lossless',
    downtime: true,
    rows: 'Order.objects.create(x=3); Order.objects.create(x=4)',
    expected: {
      does: 'loss',
      migrations: [`shop.${added}`],
      drops: ['shop_order.x 1'],
      newFits: false,
      applied: [first, added],
      old: ['insert'],
      new: [],
    },
  },
  {
    name: 'a column that has its default in all rows is dropped, and the last migration before it stays',
    new: withTown(withX),
    migrations: [
      ['0002_town', addTown],
      ['0003_x', addX],
    ],
    how: 'lossless',
    downtime: true,
    rows: 'Order.objects.create()',
    expected: {
      does: 'reverse',
      migrations: ['shop.0003_x'],
      drops: ['shop_order.x 0'],
      newFits: false,
      applied: [first, '0002_town'],
      old: [],
      new: both,
    },
  },
  ...(['fits', 'impossible'] as const).map((does): BackCase => ({
    name: `what another client has broken is not brought back: ${does}`,
    new: withTown(plainModels),
    migrations: [['0002_town', addTown]],
    sql: 'ALTER TABLE shop_order DROP COLUMN note',
    how: 'any',
    downtime: true,
    ...(does === 'fits' && { onlyNew: true }),
    expected: {
      does,
      migrations: [],
      drops: [],
      newFits: true,
      applied: [first, '0002_town'],
      old: both,
      new: both,
    },
  })),
  ...(
    [
      ['longer texts would be cut', 'models.TextField(default="n")', '"x" * 80', 1],
      ['texts that fit stay', 'models.TextField(default="n")', '"x" * 50', 0],
    ] as const
  ).map(([name, field, value, rows]): BackCase => ({
    name,
    new: withText.replace('models.CharField(max_length=50, default="n")', field),
    migrations: [[renamed, `migrations.AlterField("order", "note", ${field}), ${rename}`]],
    how: 'lossless',
    downtime: true,
    rows: `Order.objects.create(text=${value})`,
    expected: {
      does: rows > 0 ? 'loss' : 'reverse',
      migrations: [`shop.${renamed}`],
      drops: [`part of shop_order.text ${rows}`],
      newFits: false,
      applied: rows > 0 ? [first, renamed] : [first],
      old: rows > 0 ? both : [],
      new: rows > 0 ? [] : both,
    },
  })),
  ...(['lossless', 'any'] as const).map((how): BackCase => {
    const isDone = how === 'any'
    const field = 'models.TextField(default="n")'
    return {
      name: `longer texts are cut where that is accepted: ${how}`,
      new: plainModels
        .replace('models.CharField(max_length=50, default="n")', field)
        .replace('name =', 'title ='),
      migrations: [
        [
          '0002_text',
          `migrations.AlterField("order", "note", ${field}), migrations.RenameField("shop", "name", "title")`,
        ],
      ],
      how,
      downtime: true,
      rows: 'Order.objects.create(note="x" * 80)',
      expected: {
        does: isDone ? 'reverse' : 'loss',
        migrations: ['shop.0002_text'],
        drops: ['part of shop_order.note 1'],
        newFits: false,
        applied: isDone ? [first] : [first, '0002_text'],
        old: [],
        new: [],
      },
    }
  }),
  {
    name: 'rows have no value for a column that would come back without a default',
    new: plainModels.replace('name =', 'title ='),
    migrations: [
      [
        '0002_x',
        'migrations.AddField("order", "x", models.IntegerField(default=1), preserve_default=False)',
      ],
      [
        '0003_no_x',
        'migrations.RemoveField("order", "x"), migrations.RenameField("shop", "name", "title")',
      ],
    ],
    how: 'any',
    downtime: true,
    rows: 'Order.objects.create()',
    expected: {
      does: 'impossible',
      migrations: ['shop.0003_no_x', 'shop.0002_x'],
      drops: [],
      newFits: false,
      applied: [first, '0002_x', '0003_no_x'],
      old: [],
      new: [],
    },
  },
  {
    name: 'a row refuses one of two reversals, so neither is begun',
    new: withX.replace('max_length=50', 'max_length=80').replace('name =', 'title ='),
    migrations: [
      [
        '0002_longer',
        'migrations.AlterField("order", "note", models.CharField(max_length=80, default="n")), migrations.RenameField("shop", "name", "title")',
      ],
      ['0003_x', addX],
    ],
    how: 'any',
    downtime: true,
    rows: 'Order.objects.create(note="x" * 80)',
    expected: {
      does: 'impossible',
      migrations: ['shop.0003_x', 'shop.0002_longer'],
      drops: ['shop_order.x 0', 'part of shop_order.note 1'],
      newFits: false,
      applied: [first, '0002_longer', '0003_x'],
      old: ['insert'],
      new: [],
    },
  },
  {
    name: 'which migrations came since is not known',
    new: withText,
    migrations: [[renamed, rename]],
    since: [],
    how: 'any',
    downtime: true,
    expected: {
      does: 'impossible',
      migrations: [],
      drops: [],
      newFits: true,
      applied: [first, renamed],
      old: both,
      new: [],
    },
  },
]
