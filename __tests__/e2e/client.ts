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
const usualPatienceMs = 10_000
const firstAnswerMs = 30_000

export interface Asking {
  /** What has come of it so far. */
  readonly asked: Asked
  stop(): Promise<void>
}

/** Asks `/version` of a web that answers already, until it is stopped. */
export function startAsking(url: string, patienceMs = usualPatienceMs): Asking {
  const failures: string[] = []
  const versions: string[] = []
  const asked = { count: 0, failures, versions }
  const over = new AbortController()
  const asking = (async () => {
    while (!over.signal.aborted) {
      asked.count += 1
      try {
        const version = await get(`${url}/version`, patienceMs)
        if (!versions.includes(version)) versions.push(version)
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error)
        failures.push(`${new Date().toISOString()} ${words}`)
      }
      await sleep(pauseMs)
    }
  })()
  return {
    asked,
    stop: () => {
      over.abort()
      return asking
    },
  }
}

/** Asks for as long as `work` lasts. */
export async function whileAsking<T>(
  url: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly asked: Asked }> {
  const { asked, stop } = startAsking(url)
  try {
    return { result: await work(), asked }
  } finally {
    await stop()
  }
}

/** Reads the products of the shop and adds some for as long as `work` lasts; what of it has failed. */
export async function whileBuying<T>(
  url: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly failures: readonly string[] }> {
  const failures: string[] = []
  let count = 0
  const over = new AbortController()
  const clients = ['GET', 'POST'].map(async (method) => {
    while (!over.signal.aborted) {
      count += 1
      const product = { name: 'Cup', sku: `${method}-${count}-${Date.now()}`, price: '1.00' }
      const body = method === 'POST' ? JSON.stringify(product) : null
      const headers = { 'content-type': 'application/json', connection: 'close' }
      await fetch(`${url}/api/products/`, { method, body, headers })
        .then(async (answer) => {
          const text = await answer.text()
          if (!answer.ok) failures.push(`${method} ${answer.status} ${text.slice(0, 300)}`)
        })
        .catch((error: unknown) => failures.push(`${method} ${String(error)}`))
      await sleep(pauseMs)
    }
  })
  try {
    return { result: await work(), failures }
  } finally {
    over.abort()
    await Promise.all(clients)
  }
}

/** Ready comes before kube-proxy has written its rules for a new Service, which refuses until then. */
export async function firstAnswer(url: string): Promise<void> {
  const latest = Date.now() + firstAnswerMs
  for (;;) {
    try {
      await get(url)
      return
    } catch (error) {
      if (Date.now() > latest) throw new Error(`${url} has never answered`, { cause: error })
      await sleep(pauseMs)
    }
  }
}

export function get(url: string, patienceMs = usualPatienceMs): Promise<string> {
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
