/**
 * Every play that a scene can become. A state cannot be kept, since code that runs is in it: it is reached
 * again by doing again what led to it. A state that was seen before is not gone on from.
 */
import { hash } from 'node:crypto'
import { Broken } from './laws.js'
import { Play, type Choice } from './play.js'
import type { Scene } from './scene.js'

export interface Violation {
  readonly law: string
  /** What happened, step by step. */
  readonly story: readonly string[]
}

export interface Explored {
  readonly states: number
  readonly transitions: number
  /** Plays that came to their end in different states. */
  readonly ends: number
  /** How the runs ended: `A deployed, B undone`. */
  readonly results: readonly string[]
  /** The shortest story of each law that is broken. */
  readonly violations: readonly Violation[]
}

interface Path {
  readonly choice: Choice
  readonly before: Path | undefined
}

// Each request that is answered ends its own deadline by an abort: nobody reads where that came from.
Error.stackTraceLimit = 0

export async function explore(scene: Scene, { stopsAtFirst = false } = {}): Promise<Explored> {
  const seen = new Set<string>()
  const recovered = new Set<string>()
  const results = new Set<string>()
  const violations = new Map<string, Violation>()
  let transitions = 0
  const todo: (Path | undefined)[] = [undefined]

  /** Whether it goes on from here. */
  const isNew = (play: Play): boolean => {
    const state = hash('sha1', play.state(), 'base64')
    if (seen.has(state)) return false
    seen.add(state)
    return true
  }
  const follow = async (path: Path | undefined) => {
    const play = await Play.begin(scene)
    const log: string[] = []
    try {
      for (const choice of choicesOf(path)) await play.do(choice)
      if (path) transitions += 1
      for (let here = path; isNew(play); transitions += 1) {
        const [first, ...others] = play.choices()
        if (!first) {
          results.add(namesOf(play))
          const end = hash('sha1', play.standing(), 'base64')
          if (!recovered.has(end)) await play.recover()
          recovered.add(end)
          return
        }
        for (const choice of others) todo.push({ choice, before: here })
        here = { choice: first, before: here }
        await play.do(first)
      }
    } catch (error) {
      if (!(error instanceof Broken)) throw error
      log.push(...play.told)
      const known = violations.get(error.message)
      if (!known || log.length < known.story.length) {
        violations.set(error.message, { law: error.message, story: log })
      }
    }
  }
  do {
    await follow(todo.pop())
  } while (todo.length > 0 && !(stopsAtFirst && violations.size > 0))
  return {
    states: seen.size,
    transitions,
    ends: recovered.size,
    results: [...results].sort(),
    violations: [...violations.values()],
  }
}

function choicesOf(path: Path | undefined): readonly Choice[] {
  const choices: Choice[] = []
  for (let at = path; at; at = at.before) choices.push(at.choice)
  return choices.reverse()
}

function namesOf({ results }: Play): string {
  return Object.entries(results)
    .sort()
    .map(([name, result]) => `${name} ${result}`)
    .join(', ')
}
