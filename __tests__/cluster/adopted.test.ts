/** What other people change in the middle of a release: theirs is adopted, or left alone and told. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { whileAsking } from '../e2e/client.js'
import { at, inTheRollout } from '../e2e/moment.js'
import { Site, type Released } from '../e2e/site.js'
import { kubectl, kubectlJson, type How } from '../e2e/stack.js'
import { describeSeldom, seldom } from '../support/seldom.js'

let shop: Site
/** Three versions that the registry has. */
let one: string
const two = 'two'
const theirs = 'theirs'

beforeAll(async () => {
  shop = await Site.make('adopted')
  one = await shop.commit('One', {})
  const released = await shop.release({ version: 'one' })
  if (released.report.result !== 'deployed') throw new Error(released.output)
  await Promise.all([two, theirs].map((tag) => shop.twin(tag, one)))
})

afterAll(() => shop.remove())

/** A release in the middle of which somebody else does something, while a client asks. */
async function meanwhile(
  moment: RegExp,
  theirCommand: readonly string[],
  release: (how: How) => Promise<Released>,
): Promise<Released> {
  const theirs = at(moment, () => kubectl('-n', shop.namespace, ...theirCommand))
  const { result, asked } = await whileAsking(await shop.url(), () => release(theirs.how))
  await theirs.done()
  expect(asked.failures).toEqual([])
  return result
}

/** From any version to this one, so that each case has something to roll out. */
const deploy = (tag: string) => (how: How) => shop.deploy(tag, {}, how)
const theWorkerIsWritten = /deployment\/worker: 0 of/

interface Web {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
  readonly spec: { readonly replicas: number }
}

/** Gives the web's pods this time, in seconds, before their readiness probe begins. */
async function readyAfter(seconds: number): Promise<void> {
  const probe = { initialDelaySeconds: seconds }
  const spec = { template: { spec: { containers: [{ name: 'web', readinessProbe: probe }] } } }
  const inside = (...args: readonly string[]) => kubectl('-n', shop.namespace, ...args)
  await inside('patch', 'deployment', 'web', `--patch=${JSON.stringify({ spec })}`)
  await inside('rollout', 'status', 'deployment/web', '--timeout=300s')
}

const web = () => kubectlJson<Web>('-n', shop.namespace, 'get', 'deployment', 'web')

describe('a change during the release is adopted, and the release goes on:', () => {
  async function adopts(theirCommand: readonly string[], tag: string): Promise<void> {
    const ended = await meanwhile(inTheRollout, theirCommand, deploy(tag))
    expect(ended).toMatchObject({ code: 0, report: { result: 'deployed', tag } })
    expect(new Set(Object.values(await shop.tags()))).toEqual(new Set([tag]))
    expect(await shop.leftovers()).toEqual([])
  }

  seldom('the change is a restart', () => adopts(['rollout', 'restart', 'deployment/web'], two))

  seldom('the change is an annotation', async () => {
    await adopts(['annotate', 'deployment/web', 'example.com/note=theirs'], one)
    expect((await web()).metadata.annotations).toMatchObject({ 'example.com/note': 'theirs' })
  })

  test('the change is another number of replicas', async () => {
    await adopts(['scale', 'deployment/web', '--replicas=3'], theirs)
    expect((await web()).spec.replicas).toBe(3)
  })
})

test('an undo keeps the number of replicas that an autoscaler set meanwhile', async () => {
  const before = await shop.tags()
  await shop.commit('Bad', { 'shop/wsgi.py': (old) => `import shop.telemetry\n${old}` })
  const autoscaler = ['scale', 'deployment/web', '--replicas=4']
  const ended = await meanwhile(/deployment\/web: 0 of 3/, autoscaler, (how) =>
    shop.release({ version: 'bad', manifests: '' }, how),
  )
  await shop.drop()

  expect(ended).toMatchObject({ code: 1, report: { result: 'undone' } })
  expect(await shop.tags()).toEqual(before)
  expect((await web()).spec.replicas).toBe(4)
  expect(await shop.leftovers()).toEqual([])
})

const setWebImage = (tag: string) =>
  kubectl('-n', shop.namespace, 'set', 'image', 'deployment/web', `web=${shop.image}:${tag}`)

test('an undo leaves the changes of another client alone, and restores everything else', async () => {
  const { 'deployment/web': before, ...others } = await shop.tags()
  expect(before).toBe(theirs)
  await shop.commit('Bad', { 'catalog/migrations/0003_waits.py': waitingMigration })
  const somebody = at(/, created from deployment\/web/, async () => {
    await setWebImage(two)
    await kubectl('-n', shop.namespace, 'set', 'env', 'deployment/worker', 'NOTE=theirs')
    await shop.sql('CREATE TABLE go_on ()')
  })
  const ended = await shop.release({ version: 'bad', manifests: '' }, somebody.how)
  await shop.drop()
  await somebody.done()

  expect(ended).toMatchObject({ code: 5, report: { result: 'superseded' } })
  expect(ended.report.cause?.sentence).toMatch(
    /^deployment\/web runs shop:two, set by another client: its change was kept, and everything else was restored; the release was given up because migration catalog\.0003_waits failed/,
  )
  expect(await shop.tags()).toEqual({ 'deployment/web': two, ...others })
  const environment = ['get', 'deployment', 'worker', '-o', 'jsonpath={..env[?(@.name=="NOTE")].value}']
  expect(await kubectl('-n', shop.namespace, ...environment)).toBe('theirs')
  expect(ended.output).toContain('deployment/web: is on two (before: theirs)')
  expect(await shop.leftovers()).toEqual([])
})

seldom('an undo leaves a workload alone that another client has repaired by hand after a run was killed', async () => {
  // All workloads run the same again.
  const released = await shop.release({ version: 'one' })
  expect(released.code).toBe(0)
  const killed = await shop.deploy(
    two,
    {},
    {
      onOutput: (soFar, kill) => {
        if (soFar.includes('deployment/worker: 0 of')) kill('SIGKILL')
      },
    },
  )
  expect(killed.output).not.toContain('▸ undo')
  await setWebImage(theirs)
  const recovered = await shop.recover()

  expect(recovered).toMatchObject({ code: 1, report: { result: 'undone' } })
  expect(recovered.output).toContain(
    `deployment/web runs shop:${theirs}, set by another client: not restored`,
  )
  expect(await shop.tags()).toEqual({
    'deployment/web': theirs,
    'deployment/worker': one,
    'cronjob/expire-orders': one,
  })
  expect(await shop.leftovers()).toEqual([])
})

describeSeldom('a change during the release is left alone and reported:', () => {
  beforeAll(async () => {
    expect(await shop.deploy(two)).toMatchObject({ code: 0 })
    // The other workloads follow the first new pod that is Ready: not before somebody has written.
    await readyAfter(20)
  })
  afterAll(() => readyAfter(1))

  const setImage = (name: string) => [
    'set', 'image', `deployment/${name}`, `${name}=${shop.image}:${theirs}`,
  ]

  test('the image of the web workload is changed during its rollout', async () => {
    const ended = await meanwhile(inTheRollout, setImage('web'), deploy(one))
    expect(ended).toMatchObject({ code: 5, report: { result: 'superseded' } })
    expect(ended.report.cause?.sentence).toBe(
      `another client changed a workload during the release: deployment/web runs image ${shop.image}:${theirs} in container web, written by kubectl-set`,
    )
    expect(await shop.tags()).toEqual({
      'deployment/web': theirs,
      'deployment/worker': two,
      'cronjob/expire-orders': two,
    })
    expect(ended.output).toContain('deployment/web: is on theirs (before: two)')
    expect(ended.output).toContain('deployment/worker: is on two (before: two)')
    expect(await shop.leftovers()).toEqual([])
  })

  test('the image of a workload is changed before its turn', async () => {
    const ended = await meanwhile(inTheRollout, setImage('worker'), deploy(one))
    expect(ended).toMatchObject({ code: 5, report: { result: 'superseded' } })
    expect(await shop.tags()).toEqual({
      'deployment/web': one,
      'deployment/worker': theirs,
      'cronjob/expire-orders': two,
    })
    expect(ended.report.cause?.sentence).toContain(
      `deployment/worker runs image ${shop.image}:${theirs} in container worker`,
    )
    expect(ended.output).toContain('deployment/worker: is on theirs (before: two)')
  })

  test('a workload is deleted by a user', async () => {
    const deletion = ['delete', 'deployment', 'worker', '--wait=false']
    const ended = await meanwhile(theWorkerIsWritten, deletion, deploy(two))
    expect(ended).toMatchObject({ code: 5, report: { result: 'superseded' } })
    expect(ended.report.cause?.sentence).toBe(
      'another client changed a workload during the release: deployment/worker was deleted',
    )
    expect(await shop.tags()).toEqual({ 'deployment/web': two, 'cronjob/expire-orders': two })
    expect(ended.output).toContain('deployment/worker: deleted by another client')
    expect(await shop.leftovers()).toEqual([])
  })
})

// The last one: a run that ends stuck leaves its record to whoever comes next.
seldom('when a workload is deleted during a broken release, all others are restored, and it is named', async () => {
  // The worker is there again.
  const released = await shop.release({ version: 'one' })
  expect(released.report.result).toBe('deployed')
  await shop.commit('Bad', { 'shop/wsgi.py': (old) => `${failingOnceDeleted}${old}` })
  const deletion = at(inTheRollout, async () => {
    await kubectl('-n', shop.namespace, 'delete', 'deployment', 'worker', '--wait=false')
    await shop.sql('CREATE TABLE deleted ()')
  })
  const { result: ended, asked } = await whileAsking(await shop.url(), () =>
    shop.release({ version: 'bad', manifests: '' }, deletion.how),
  )
  await deletion.done()
  await shop.drop()
  expect(asked.failures).toEqual([])

  expect(ended).toMatchObject({ code: 3, report: { result: 'stuck' } })
  expect(ended.report.cause?.sentence).toMatch(
    /^deployment\/worker was deleted by another client during the release. All other workloads are as before; the release was given up because web: ModuleNotFoundError/,
  )
  expect(await shop.tags()).toEqual({ 'deployment/web': one, 'cronjob/expire-orders': one })
  expect(ended.output).toContain('deployment/worker: deleted by another client')
})

/** A web that does not start, once the worker is deleted: its failure must not end the release before that. */
const failingOnceDeleted = `import os, time, psycopg

if os.environ["HOSTNAME"].startswith("web-"):
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_class WHERE relname = 'deleted'"
        while not connection.execute(query).fetchone()[0]:
            time.sleep(0.2)
import shop.telemetry
`

/** Goes on when it is told to, and fails. */
const waitingMigration = `import time
from django.db import migrations

def wait(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        while True:
            # to_regclass would never see it: nothing of its transaction looks at the catalogue anew.
            cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'go_on'")
            if cursor.fetchone()[0]:
                break
            time.sleep(0.2)
        cursor.execute("SELECT no_such_column")

class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_product_weight_grams")]
    operations = [migrations.RunPython(wait)]
`
