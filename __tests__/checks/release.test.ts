import { expect, test } from '@jest/globals'
import { releaseFindings } from '../../src/checks/release.js'
import type { ReleaseStart, History } from '../../src/state/history.js'
import { scripted } from '../support/scripted.js'
import { contextOf } from '../support/settings.js'

const { settings } = contextOf(scripted([]).platform, { app: 'store' })
const begun: ReleaseStart = {
  run: 'run-1',
  command: 'release',
  who: 'ada',
  url: 'https://ci.example/1',
  at: '2026-01-31T12:00:00.000Z',
  image: 'ghcr.io/acme/shop',
  tag: 'c'.repeat(40),
  digest: 'sha256:0',
}
const history: History = [{ ...begun, number: 7, result: 'deployed', seconds: 9, migrations: [] }]
const none = 'ok: no release of this application is live yet'
const seven = 'ok: release 7 of cccccccccccc by ada, https://ci.example/1 is live'

test.each<
  [string, Parameters<typeof releaseFindings>[1], ReleaseStart | undefined, History, string[]]
>([
  ['nothing yet', undefined, undefined, [], [none]],
  ['one that ended well', undefined, undefined, history, [seven]],
  [
    'what can be dropped',
    undefined,
    undefined,
    history.map((entry) => ({ ...entry, unused: ['shop_order.note', 'shop_tag'] })),
    [seven, 'ok: no version of the history uses shop_order.note, shop_tag (as of release 7)'],
  ],
  [
    'a lock',
    { by: 'ada, https://ci.example/1', renewed: '2026-01-31T12:00:10.000000Z' },
    undefined,
    history,
    [
      seven,
      'warning: the lock is held by ada, https://ci.example/1, last renewed at 2026-01-31T12:00:10.000000Z by its clock: a release waits until it is free, at most 30 s after that run ends',
    ],
  ],
  [
    'a record',
    undefined,
    begun,
    [],
    [
      none,
      'warning: the release of cccccccccccc by ada, https://ci.example/1, started at 2026-01-31T12:00:00.000Z, has not ended; if its run is gone, the next release restores it first',
    ],
  ],
])(
  'the finding about earlier releases is right when there is %s',
  (_, keeper, open, releases, expected) => {
    const found = releaseFindings(settings, keeper, open, releases)
    expect(found.map(({ severity, message }) => `${severity}: ${message}`)).toEqual(expected)
  },
)

test('an unfinished release is reported with the command that restores it', () => {
  expect(releaseFindings(settings, undefined, begun, []).at(-1)?.fix).toBe(
    'django-rollout recover --image ghcr.io/acme/shop --namespace shop --app store',
  )
})
