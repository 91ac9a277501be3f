/** What happens to a run: one function for each kind. Each resolves when the disturbance is over. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Relay } from '../e2e/relay.js'
import { familyOf, processes, type Running } from './command.js'
import type { Interruption, Moment } from './plan.js'

export interface Scene {
  readonly run: Running
  /** The run's only way to the API server. */
  readonly relay: Relay
  readonly secondRelease: () => Promise<unknown>
}

/** Waits for the moment; false when the run ended without it. */
export async function reached(run: Running, moment: Moment, usualMs: number): Promise<boolean> {
  if (moment.at === 'stage' && !(await run.says(`▸ ${moment.stage}`))) return false
  const ms = moment.at === 'stage' ? moment.plusMs : moment.share * usualMs
  await Promise.race([sleep(ms), run.ended])
  return !run.hasEnded()
}

export async function interrupt(interruption: Interruption, scene: Scene): Promise<void> {
  const { run, relay } = scene
  switch (interruption.is) {
    case 'none':
      break
    case 'signal':
      run.kill(interruption.signal)
      break
    case 'machine-gone':
      await machineGone(run)
      break
    case 'killed-in-undo':
      await killedInUndo(scene, interruption.afterMs)
      break
    case 'second-release':
      await scene.secondRelease()
      break
    case 'proxy-killed':
      await proxyKilled(run)
      break
    case 'stopped':
      await stopped(run, interruption.ms)
      break
    case 'network-reset':
      await relay.stop(interruption.ms)
      break
    case 'network-silent':
      await relay.drop(interruption.ms)
  }
}

async function machineGone(run: Running): Promise<void> {
  for (const pid of await stopFamily(run)) send(pid, 'SIGKILL')
  await run.ended
}

async function stopped(run: Running, ms: number): Promise<void> {
  const family = await stopFamily(run)
  await sleep(ms)
  for (const pid of family) send(pid, 'SIGCONT')
}

/** The run first, so that it starts no other process while the rest is looked for. */
async function stopFamily(run: Running): Promise<readonly number[]> {
  run.kill('SIGSTOP')
  const family = familyOf(run.pid, await processes()).map(({ pid }) => pid)
  for (const pid of family) send(pid, 'SIGSTOP')
  return family
}

async function killedInUndo({ run }: Scene, afterMs: number): Promise<void> {
  run.kill('SIGINT')
  if (!(await run.says('▸ undo'))) return
  await Promise.race([sleep(afterMs), run.ended])
  run.kill('SIGKILL')
}

async function proxyKilled(run: Running): Promise<void> {
  const family = familyOf(run.pid, await processes())
  const proxies = family.filter(({ line }) => line.includes('proxy --unix-socket'))
  for (const { pid } of proxies) send(pid, 'SIGKILL')
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}
