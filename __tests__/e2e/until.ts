import { setTimeout as sleep } from 'node:timers/promises'

/** Looks again and again until something holds. Throws what never came after the limit, in ms. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 120_000,
): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never came: ${what}`)
    await sleep(100)
  }
}
