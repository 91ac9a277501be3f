/** Plays one round in a namespace and says what was wrong afterwards. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kubectl } from '../e2e/stack.js'
import { processes, type Running } from './command.js'
import { interrupt, reached } from './interruptions.js'
import { judgeState, type Meddled, type Told } from './invariant.js'
import { asPerson, byHand } from './people.js'
import { extraOf, type Deploy, type Place } from './place.js'
import { goodTags, type Person, type Round } from './plan.js'
import { look, nextOf, type Seen } from './state.js'

export interface Played {
  readonly round: Round
  /** Whether the moment came before the run's end. */
  readonly wasReached: boolean
  /** What the interrupted run said; `killed` when it could not. */
  readonly said: string
  /** Whether somebody came to write by hand. */
  readonly wasMeddled: boolean
  /** Whether a release was superseded in the middle, and has left what it had written. */
  readonly isMixed: boolean
  /** Which version stands there in the end: `old`, `new`, or who came about. */
  readonly ended: string
  readonly violations: readonly string[]
  readonly seconds: number
  /** What all runs of the round wrote. */
  readonly log: string
}

/** Whatever happens to a run, all is over within this time. */
const longestMs = 10 * 60_000
/** The last pods may still be on their way when a run is cut off at its end, and its lock has to run out. */
const quietMs = 60_000

/** One that was begun: its process, and what it will have to be judged by. */
interface Begun {
  readonly name: string
  readonly run: Running
  readonly told?: Omit<Told, 'began' | 'ended' | 'result' | 'leaves'> & { readonly tag: string }
}

export async function playRound(place: Place, round: Round): Promise<Played> {
  const startedAt = Date.now()
  const { order, interruption, next, person } = round
  await tidy(place)
  const before = await look(place.namespace)
  const lostBefore = place.client.asked.failures.length
  const [ahead, furtherAhead] = nextOf(before.running, goodTags)
  if (!ahead || !furtherAhead) throw new Error('there are too few good versions')

  const begun: Begun[] = []
  const deploy = async (name: string, how: Omit<Deploy, 'label'>) => {
    const { run, effect } = await place.deploy({ ...how, label: `r${round.number}-${name}` })
    const isGood = goodTags.some((tag) => tag === how.tag)
    begun.push({ name, run, told: { name, effect, isGood, tag: how.tag } })
    return run
  }
  const recover = (name: string) => {
    const run = place.recover()
    begun.push({ name, run })
    return run
  }
  const another = (name: string) =>
    deploy(name, { tag: furtherAhead, migrates: false, manifests: 'none', way: 'direct' })
  const comesNext = async () => {
    if (next.is === 'release') return (await another('next')).ended
    const run = recover('recover')
    if (next.is === 'recover') return run.ended
    await Promise.race([sleep(next.afterMs), run.ended])
    run.kill('SIGKILL')
    await run.ended
    return recover('recover again').ended
  }

  const { image } = order
  const tag = image.is === 'good' ? (image.ahead === 1 ? ahead : furtherAhead) : image.tag
  const hand =
    person &&
    byHand(
      person.deed,
      extraOf(`r${round.number}-new`),
      tag === ahead ? furtherAhead : ahead,
      place.images,
    )
  let meddled: Meddled | undefined
  const meddle = async (run: Running, moment: Person['moment']) => {
    if (!hand) return
    if (moment.at !== 'end' && !(await reached(run, moment, place.usualMs))) return
    const looked = begun.filter((one) => one.run.output().includes('✓ snapshot'))
    const from = Date.now()
    await asPerson(place.namespace, hand.write)
    const to = Date.now()
    meddled = {
      theirs: hand.theirs,
      mayCover: ({ name }) => {
        const one = looked.find((other) => other.name === name)
        // What kubectl is about to write is written, whatever comes in that moment: it has no fencing.
        return !one || one.run.writes.some((at) => at > from - writeMs(round) && at < to + 1_000)
      },
    }
  }

  const whole = async () => {
    const run = await deploy('new', { ...order, tag, way: 'relay' })
    const { moment = { at: 'end' as const } } = person ?? {}
    const meddling = moment.at === 'end' ? undefined : meddle(run, moment)
    // It may fail long before it is waited for.
    meddling?.catch(() => undefined)
    const wasReached =
      interruption.is !== 'none' && (await reached(run, round.moment, place.usualMs))
    const scene = {
      run,
      relay: place.relay,
      secondRelease: async () => (await another('second')).ended,
    }
    const disturbed = wasReached ? interrupt(interruption, scene) : Promise.resolve()
    if (wasReached && round.nextBegins === 'at-once') await Promise.all([disturbed, comesNext()])
    await Promise.all([disturbed, run.ended, meddling])
    if (moment.at === 'end') await meddle(run, moment)
    if (!wasReached || round.nextBegins === 'after') await comesNext()
    await recover('last recover').ended
    return wasReached
  }
  const wasReached = await Promise.race([whole(), sleep(longestMs, undefined, { ref: false })])
  if (wasReached === undefined) begun.forEach(({ run }) => run.kill('SIGKILL'))

  const ends = await Promise.all(begun.map(async (one) => ({ ...one, ...(await one.run.ended) })))
  const told = ends.flatMap(({ told, run, result, began, ended }): readonly Told[] => {
    if (!told) return []
    const leaves = result === 'superseded' ? { leaves: leftBy(run.output(), told.tag) } : {}
    return [{ ...told, began, ended, ...(result !== undefined && { result }), ...leaves }]
  })
  const mixed = told.flatMap(({ leaves = [] }) => leaves)
  const seen = await lookWhenQuiet(place, mixed)
  const state = judgeState(before.state, seen.state, told, meddled)
  const main = told[0]?.result ?? 'killed'
  const lost = place.client.asked.failures.slice(lostBefore)
  const violations = [
    ...(wasReached === undefined ? ['it did not end in time'] : []),
    ...(state.is === 'torn' ? ['neither all old nor all new:', ...state.differences] : []),
    ...seen.leftovers,
    ...seen.pending,
    ...(await leftOnMachine(place, ends.filter(({ result }) => result === undefined).length)),
    ...(lost.length > 0
      ? [`${lost.length} requests were lost, the first at ${lost[0] ?? ''}`]
      : []),
    ...unrecovered(ends.at(-1)?.result, meddled !== undefined),
    ...(state.is === 'whole' && state.left && meddled && !isLeftTold(ends, meddled.theirs.id)
      ? [`nobody said that ${meddled.theirs.id} was left`]
      : []),
    ...(interruption.is === 'none' && !meddled && order.image.is === 'good' && main !== 'deployed'
      ? [`a good release that nobody disturbed said "${main}"`]
      : []),
  ]
  if (hand && meddled) await asPerson(place.namespace, hand.clean)
  return {
    round,
    wasReached: wasReached ?? false,
    wasMeddled: meddled !== undefined,
    isMixed: mixed.length > 0,
    said: main,
    ended: state.is === 'whole' ? state.as : 'torn',
    violations,
    seconds: (Date.now() - startedAt) / 1000,
    log: ends
      .map(({ name, run, result = 'killed' }) => `=== ${name}: ${result}\n${run.output()}`)
      .join('\n'),
  }
}

/** Finished Jobs and the ConfigMaps of earlier rounds are kept on purpose; here they would only pile up. */
async function tidy({ namespace }: Place): Promise<void> {
  await kubectl('-n', namespace, 'delete', 'jobs', '--all', '--wait')
  const names = await kubectl('-n', namespace, 'get', 'configmaps', '-o', 'name')
  const extra = names.split('\n').filter((name) => name.startsWith('configmap/extra-'))
  if (extra.length > 0) await kubectl('-n', namespace, 'delete', ...extra)
}

/** @param mixed what a superseded release has left: it may be bad, and need not be what the history names */
async function lookWhenQuiet({ namespace }: Place, mixed: readonly string[]): Promise<Seen> {
  const until = Date.now() + quietMs
  for (;;) {
    const seen = withoutMixed(await look(namespace), mixed)
    if (seen.pending.length === 0 || Date.now() > until) return seen
    await sleep(1_000)
  }
}

function withoutMixed(seen: Seen, mixed: readonly string[]): Seen {
  return {
    ...seen,
    leftovers: seen.leftovers.filter(
      (words) => !words.startsWith('the history') || !mixed.includes('statefulset/store'),
    ),
    pending: seen.pending.filter((words) => !mixed.some((id) => words.startsWith(`${id} `))),
  }
}

/** `deployment/web: is on b (before: a)`, `secret/x: stays, created by this release`: what it leaves of its own. */
function leftBy(output: string, tag: string): readonly string[] {
  const line = /^([a-z]+\/[^ :]+): (?:is on ([^ ]+) \(before|stays(?: as this release|, created))/gm
  return [...output.matchAll(line)].flatMap(([, id = '', runs]) =>
    runs === undefined || runs === tag ? [id] : [],
  )
}

/** Processes, and the temporary folders of runs that had the time to remove them. */
async function leftOnMachine({ home }: Place, killed: number): Promise<readonly string[]> {
  const running = (await processes()).filter(({ line }) => line.includes(home))
  const folders = (await readdir(home)).filter((name) => name.startsWith('django-rollout-'))
  await Promise.all(folders.map((name) => rm(join(home, name), { recursive: true })))
  return [
    ...running.map(({ line }) => `a process still runs: ${line}`),
    ...(folders.length > killed ? [`temporary folders are left: ${folders.join(', ')}`] : []),
  ]
}

/** The last recover has to find an end, whatever it found before it. */
function unrecovered(result = 'killed', meddled: boolean): readonly string[] {
  const fine = ['undone', 'unchanged', ...(meddled ? ['superseded'] : [])]
  return fine.includes(result) ? [] : [`the last recover said "${result}"`]
}

/** From the line that tells of a write to its arrival, in ms: a run that stands still has it on its way so long. */
function writeMs({ interruption }: Round): number {
  return 4_000 + ('ms' in interruption ? interruption.ms : 0)
}

/** Who leaves something of a release beside what is somebody else's says so. */
function isLeftTold(
  ends: readonly { readonly run: Running; readonly result?: string }[],
  id: string,
): boolean {
  const words = new RegExp(
    `${id}\\b.*(stays|kept|not restored|another client)|(stays|kept|by others).*${id}\\b`,
  )
  return ends.some(({ run, result }) => result === 'superseded' || words.test(run.output()))
}
