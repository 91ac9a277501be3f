/** The schema of a record and of an entry of the history: anyone with write access to the namespace may have written them. */
import { isNeeds } from '../django/verdict.js'
import type { ReleaseStart, Entry } from './history.js'
import type { Namespace, OpenRecord } from './record.js'
import {
  all,
  anything,
  anyText,
  count,
  fields,
  listOf,
  mapOf,
  maybe,
  oneOf,
  text,
  type Check,
  type Fields,
} from './schema.js'
import type { ObjectSnapshot } from '../undo/snapshot.js'

/** None begins with a dash, since they become arguments of git, docker and kubectl. */
const commit = text(/^[0-9a-f]{4,64}$/, 'a commit')
const tag = text(/^\w[\w.-]{0,127}$/, 'a tag')
const digest = text(/^[a-z0-9]+:[0-9A-Za-z]+$/, 'a digest')
const repository = text(/^[a-z0-9][\w./:-]*$/i, 'a repository')
const image = text(/^[a-z0-9][\w./:@+-]*$/i, 'an image')
/** Goes into a path. */
const name = text(/^[a-z0-9][\w.:-]{0,252}$/i, 'a name')
const time = text(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'a time')

/** The page of a run, for people to open. */
export const address = /^https?:\/\/\S+$/

const begun: Fields<ReleaseStart> = {
  run: text(/^\S{1,200}$/, 'the id of a run'),
  command: oneOf('release', 'deploy', 'rollback'),
  who: text(),
  url: maybe(text(address, 'an address')),
  at: time,
  image: repository,
  tag,
  digest,
  sha: maybe(commit),
  jobs: maybe(listOf(text())),
  back: maybe(count),
}

const entry: Fields<Entry> = {
  ...begun,
  result: text(/^[a-z]+$/, 'a result'),
  cause: maybe(text()),
  seconds: count,
  migrations: listOf(text()),
  unused: maybe(listOf(text())),
  reversed: maybe(listOf(text())),
  needs: maybe(text(/^[0-9a-f]{32}$/, 'a hash')),
  tasks: maybe(text(/^[0-9a-f]{32}$/, 'a hash')),
  migrate: maybe(text()),
  backup: maybe(text()),
  held: maybe(listOf(text())),
  starts: maybe(mapOf(fields({ slowest: count, count }, 'left'))),
  // As with a fit, what cannot be read is left out (contract.ts).
  bridges: anything,
  // A fit that cannot be read is left out, and its release is not (fit.ts).
  fit: anything,
  number: count,
}

const texts = mapOf(anyText)

/** The fields that are read here; the server validates all others. */
const metadata = fields(
  {
    name,
    namespace: maybe(name),
    uid: maybe(text()),
    resourceVersion: maybe(text()),
    generation: maybe(count),
    labels: maybe(texts),
    annotations: maybe(texts),
    ownerReferences: maybe(listOf(fields({}, 'left'))),
  },
  'left',
)

const object = fields(
  {
    apiVersion: text(/^([a-z0-9][a-z0-9.-]*\/)?v\d\w*$/, 'a version of an API'),
    kind: text(/^[A-Z]\w*$/, 'a kind'),
    metadata,
  },
  'left',
)

const named = fields({ name: maybe(text()) }, 'left')
const reference = maybe(named)
const container = fields(
  {
    name: text(),
    image: maybe(anyText),
    env: maybe(
      listOf(
        fields(
          {
            name: text(),
            value: maybe(anyText),
            valueFrom: maybe(
              fields({ configMapKeyRef: reference, secretKeyRef: reference }, 'left'),
            ),
          },
          'left',
        ),
      ),
    ),
    envFrom: maybe(listOf(fields({ configMapRef: reference, secretRef: reference }, 'left'))),
    ports: maybe(listOf(fields({}, 'left'))),
    volumeMounts: maybe(listOf(fields({}, 'left'))),
  },
  'left',
)
const source = fields({ configMap: reference, secret: maybe(fields({}, 'left')) }, 'left')
const template = fields(
  {
    metadata: maybe(fields({ labels: maybe(texts), annotations: maybe(texts) }, 'left')),
    spec: fields(
      {
        containers: listOf(container),
        initContainers: maybe(listOf(container)),
        volumes: maybe(
          listOf(
            all(
              source,
              fields(
                { projected: maybe(fields({ sources: maybe(listOf(source)) }, 'left')) },
                'left',
              ),
            ),
          ),
        ),
        imagePullSecrets: maybe(listOf(named)),
        serviceAccountName: maybe(text()),
      },
      'left',
    ),
  },
  'left',
)
const replicas = maybe(count)
const inJob = fields(
  { jobTemplate: fields({ spec: fields({ template }, 'left') }, 'left') },
  'left',
)
const specs: Readonly<Record<string, Check>> = {
  Deployment: fields({ replicas, template }, 'left'),
  StatefulSet: fields({ replicas, template, serviceName: maybe(text()) }, 'left'),
  DaemonSet: fields({ template }, 'left'),
  CronJob: inJob,
}

/** A custom kind may have the name of a workload kind, and another shape. */
const workload: Check = (value, at) => {
  const { apiVersion, kind = '' } = value as { apiVersion?: string; kind?: string }
  const spec = /^(apps|batch)\//.test(apiVersion ?? '') ? specs[kind] : undefined
  return spec && fields({ spec }, 'left')(value, at)
}

const prior: Fields<ObjectSnapshot> = {
  // From a record that was written before paths were left out of it: it is ignored.
  path: anything,
  object: all(object, workload),
  written: all(object, workload),
  change: oneOf('create', 'set-image', 'apply', 'make-immutable'),
  of: oneOf('workload', 'other'),
  ran: maybe(mapOf(image)),
  back: maybe(oneOf('after')),
}

/** Checks that the workloads of the application are of kinds that a release updates. */
const workloadsAreOurs: Check = (value, at) => {
  const { of, object } = value as ObjectSnapshot
  const { kind = '' } = object
  return of === 'workload' && !Object.hasOwn(specs, kind)
    ? `${at}.object is not a workload`
    : undefined
}

const namespace: Fields<Namespace> = { uid: maybe(text()), roots: maybe(text()) }

const migrationName = text(/^\w+\.\w+$/, 'a migration')
const packed: Check = (value, at) => (isNeeds(value) ? undefined : `${at} is not base64`)
const schemaWork: Check = (value, at) => {
  const all = {
    web: text(/^[a-z]+\/[a-z0-9][a-z0-9.-]*$/, 'a workload'),
    container: name,
    command: text(),
  }
  const isBack = (value as { is?: unknown } | undefined)?.is === 'back'
  return isBack
    ? fields(
        {
          ...all,
          is: oneOf('back'),
          migrations: maybe(listOf(migrationName)),
          misfits: maybe(listOf(anything)),
          reported: maybe(listOf(fields({ digest, tag, needs: packed }, 'refused'))),
        },
        'refused',
      )(value, at)
    : fields({ ...all, is: oneOf('again'), tag, digest }, 'refused')(value, at)
}

const record: Fields<OpenRecord> = {
  begun: fields(begun, 'refused'),
  namespace: fields(namespace, 'refused'),
  timeouts: fields({ timeout: count, grace: mapOf(count) }, 'refused'),
  snapshot: listOf(all(fields(prior, 'refused'), workloadsAreOurs)),
  schema: maybe(schemaWork),
  contract: maybe(fields({ held: maybe(listOf(text())), bridges: anything }, 'refused')),
}

/** Returns what is wrong with a record, if anything. */
export function wrongInRecord(value: unknown): string | undefined {
  return fields(record, 'refused')(value, 'record')
}

/** Returns what is wrong with an entry of the history, if anything. One of a later version may have more fields. */
export function wrongInEntry(value: unknown): string | undefined {
  return fields(entry, 'left')(value, 'entry')
}
