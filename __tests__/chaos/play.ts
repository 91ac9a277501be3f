/** Plays many rounds, side by side in namespaces of their own. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { kubectl, root } from '../e2e/stack.js'
import { makeImages } from './images.js'
import { makePlace, type Place } from './place.js'
import { deedTitle, planRound, titleOf, type Round } from './plan.js'
import { playRound, type Played } from './round.js'

export interface Game {
  readonly seed: string
  /** The numbers of the rounds. */
  readonly rounds: readonly number[]
  /** How many namespaces are played in at the same time. */
  readonly places: number
}

export interface Result {
  readonly played: readonly Played[]
  readonly requests: number
  /** Requests that failed. */
  readonly lost: number
}

/** An aborted signal ends it after the rounds that are under way. */
export async function play(
  game: Game,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<Result> {
  const images = await makeImages()
  const left = [...game.rounds]
  const nextNumber = () => (signal?.aborted ? undefined : left.shift())
  const played: Played[] = []
  const asked = { requests: 0, lost: 0 }
  const leave = async (place: Place) => {
    await place.remove()
    asked.requests += place.client.asked.count
    asked.lost += place.client.asked.failures.length
  }
  const playHere = async () => {
    let place: Place | undefined
    try {
      for (let number = nextNumber(); number !== undefined; number = nextNumber()) {
        place ??= await makePlace(images)
        const one = await tryRound(place, planRound(game.seed, number))
        played.push(one)
        say(lineOf(one))
        if (one.violations.length === 0 && !one.isMixed) continue
        if (one.violations.length > 0) {
          for (const line of await accuse(one, place, game.seed)) say(line)
        }
        // What is torn stays as it is in the log; the next round begins with a whole one.
        await leave(place)
        place = undefined
      }
    } finally {
      if (place) await leave(place)
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: game.places }, playHere))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return { played, ...asked }
}

/** What keeps a round from being played counts as a violation: nobody knows what it hides. */
async function tryRound(place: Place, round: Round): Promise<Played> {
  try {
    return await playRound(place, round)
  } catch (error) {
    const violations = [`it could not be played: ${String(error)}`]
    const unread = {
      wasReached: false,
      wasMeddled: false,
      isMixed: false,
      said: 'nothing',
      ended: 'unknown',
    }
    return { round, violations, ...unread, seconds: 0, log: '' }
  }
}

function lineOf(played: Played): string {
  const { round, wasReached, wasMeddled, said, ended, violations, seconds } = played
  const missed = [
    ...(wasReached || round.interruption.is === 'none' ? [] : [' (not reached)']),
    ...(wasMeddled || !round.person ? [] : [' (nobody wrote)']),
  ].join('')
  const verdict = violations.length === 0 ? ended : 'VIOLATION'
  return `round ${round.number}: ${titleOf(round)}${missed} -> said ${said}, recovered ${verdict}  ${seconds.toFixed(0)} s`
}

/** What is wrong, how to play it again, and a file with all that was said and all that stands there. */
async function accuse(played: Played, place: Place, seed: string): Promise<readonly string[]> {
  const { round, violations, log } = played
  const objects = 'deployments,statefulsets,daemonsets,cronjobs,pods,jobs,configmaps,secrets,leases'
  const standing = await kubectl('-n', place.namespace, 'get', objects, '-o', 'yaml')
  const folder = join(root, 'build/chaos')
  const file = join(folder, `${seed}-${round.number}.log`)
  await mkdir(folder, { recursive: true })
  const parts = [JSON.stringify(round), ...violations, log, '=== what stands there', standing]
  await writeFile(file, parts.join('\n'))
  return [
    ...violations.map((words) => `  ✗ ${words}`),
    `  log: ${file}`,
    `  again: make chaos SEED=${seed} ROUND=${round.number}`,
  ]
}

/** The closing lines. */
export function summaryOf({ seed }: Game, { played, requests, lost }: Result): readonly string[] {
  const violated = played.filter(({ violations }) => violations.length > 0)
  const count = (names: readonly string[]) =>
    Object.entries(Object.groupBy(names, (name) => name))
      .map(([name, all = []]) => `${all.length} ${name}`)
      .sort()
      .join('; ')
  return [
    `interruptions: ${count(played.map(({ round }) => round.interruption.is))}`,
    `people: ${count(played.map(({ round: { person }, wasMeddled }) => (person && wasMeddled ? deedTitle(person.deed) : 'nobody')))}`,
    `releases: ${count(played.map(({ round: { order } }) => (order.image.is === 'good' ? 'good' : `bad ${order.image.tag}`)))}`,
    `runs said: ${count(played.map(({ said }) => said))}`,
    `recovered: ${count(played.map(({ ended }) => ended))}`,
    `${played.length} rounds, seed ${seed}, ${violated.length} violations, ${requests} requests, ${lost} failed`,
  ]
}
