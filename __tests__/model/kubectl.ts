/** What kubectl sends, as far as a release of CronJobs, Deployments and ConfigMaps needs it. */
import { nameOf, type KubeObject } from '../../src/kubernetes/objects.js'
import type { Finished } from '../../src/platform/platform.js'
import { pathOf } from './places.js'
import { applied, type Answer, type Call } from './server.js'

type Send = (call: Call) => Promise<Answer>

/** One request after the other, none of them guarded, as long as they go well. */
export async function kubectl(
  args: readonly string[],
  send: Send,
  since: number,
  input = '{}',
): Promise<Finished> {
  try {
    const { items = [] } = JSON.parse(input) as { items?: readonly KubeObject[] }
    if (args.includes('get')) return printed(await got(items, send))
    return await apply(args, items, send, { since })
  } catch {
    return failed('Unable to connect to the server: read: connection reset by peer')
  }
}

async function apply(
  args: readonly string[],
  objects: readonly KubeObject[],
  send: Send,
  brings: { readonly since: number },
): Promise<Finished> {
  const isTry = args.includes('--dry-run=server')
  const after: KubeObject[] = []
  for (const object of objects) {
    const path = pathOf(object)
    const { body } = await send({ method: 'GET', path, ...(!isTry && { brings }) })
    const live = isStatus(body) ? undefined : (body as KubeObject)
    if (isTry) {
      const metadata = { ...object.metadata, uid: 'dry' }
      after.push(applied(live ? object : { ...object, metadata }, live))
      continue
    }
    const folder = path.slice(0, path.lastIndexOf('/'))
    const { status, body: current } = await (live
      ? send({ method: 'PATCH', path, body: { apply: object }, brings })
      : send({ method: 'POST', path: folder, body: applied(object, undefined), brings }))
    if (status >= 300) return failed(`Error from server (Conflict): ${nameOf(object)} has changed`)
    after.push(current as KubeObject)
  }
  return printed(after)
}

async function got(objects: readonly KubeObject[], send: Send): Promise<readonly KubeObject[]> {
  const found: KubeObject[] = []
  for (const object of objects) {
    const { body } = await send({ method: 'GET', path: pathOf(object) })
    if (!isStatus(body)) found.push(body as KubeObject)
  }
  return found
}

function isStatus(body: unknown): boolean {
  return (body as KubeObject).kind === 'Status'
}

function printed(items: readonly KubeObject[]): Finished {
  return { code: 0, stdout: JSON.stringify({ kind: 'List', items }), stderr: '' }
}

function failed(stderr: string): Finished {
  return { code: 1, stdout: '', stderr }
}
