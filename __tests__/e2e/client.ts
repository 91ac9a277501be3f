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

/** Begins to ask `/version` of a web that answers already; the function ends it. */
export function ask(url: string): () => Promise<Asked> {
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
        failures.push(
          `${new Date().toISOString()} ${error instanceof Error ? error.message : String(error)}`,
        )
      }
      await sleep(pauseMs)
    }
  })()
  return async () => {
    over.abort()
    await asking
    return { count, failures, versions }
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
