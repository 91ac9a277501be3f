/** A client that asks the web all the while, each time by a new connection as a new visitor would. */
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Asked {
  readonly count: number
  /** What went wrong, if anything: must stay empty. */
  readonly failures: readonly string[]
  /** The versions that answered, in order of first appearance. */
  readonly versions: readonly string[]
}

const pauseMs = 50
const patienceMs = 10_000

/** Asks `/version` of a web that answers already for as long as `work` lasts. */
export async function whileAsking<T>(
  url: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly asked: Asked }> {
  const failures: string[] = []
  const versions: string[] = []
  let count = 0
  const over = new AbortController()
  const asking = (async () => {
    while (!over.signal.aborted) {
      count += 1
      try {
        const version = await get(`${url}/version`)
        if (!versions.includes(version)) versions.push(version)
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error)
        failures.push(`${new Date().toISOString()} ${words}`)
      }
      await sleep(pauseMs)
    }
  })()
  try {
    const result = await work()
    over.abort()
    await asking
    return { result, asked: { count, failures, versions } }
  } finally {
    over.abort()
  }
}

export function get(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, timeout: patienceMs }, (response) => {
      let body = ''
      response.on('data', (bytes: Buffer) => (body += bytes.toString()))
      response.on('end', () => {
        if (response.statusCode === 200) {
          resolve((JSON.parse(body) as { version?: string }).version ?? body)
        } else reject(new Error(`status ${response.statusCode ?? 0}: ${body.slice(0, 200)}`))
      })
      response.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${patienceMs} ms`)))
    asked.on('error', reject)
    asked.end()
  })
}
