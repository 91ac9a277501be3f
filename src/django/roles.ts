import type { Container, PodTemplateSpec, Service } from 'kubernetes-types/core/v1'
import type { WorkloadId } from '../kubernetes/workload.js'
import { idOf } from '../kubernetes/workload.js'

/** The role of a container that runs the image. */
export type Role = 'web' | 'worker' | 'beat' | 'flower' | 'other'

/** A workload that runs our image. */
export interface Candidate {
  readonly workload: WorkloadId
  readonly template: PodTemplateSpec
  /** Names of its containers, init containers too, that run our image. */
  readonly containers: readonly string[]
}

export type WebWorkload =
  | {
      readonly is: 'found'
      readonly candidate: Candidate
      /** Name of the container that the migration Job is made from. */
      readonly container: string
      readonly because: 'named' | 'service' | 'command' | 'only'
    }
  | {
      readonly is: 'undecided'
      readonly because: 'no-such-name' | 'several' | 'none'
      /** What may be named, as `deployment/web`. */
      readonly candidates: readonly string[]
    }

const servers = ['gunicorn', 'uwsgi', 'daphne', 'uvicorn', 'hypercorn', 'granian', 'waitress-serve']
const workers = ['rq', 'rqworker', 'dramatiq', 'huey_consumer', 'huey_consumer.py', 'arq', 'taskiq']

/** Commands of manage.py, and of scripts like it, that answer requests. */
const serving = ['runserver', 'runserver_plus', 'runuwsgi', 'testserver']

/**
 * The role of a container by what its template says. An image's own CMD is not in the template: then a
 * port is the sign of a web server, and without one the role is `other`.
 */
export function roleOf(container: Container): Role {
  return roleOfWords(wordsOf(container)) ?? ((container.ports ?? []).length > 0 ? 'web' : 'other')
}

/**
 * Whether a container sends Celery's scheduled tasks: `celery beat`, or a worker with `-B` inside. More
 * than one at a time sends every task twice
 * (https://docs.celeryq.dev/en/stable/userguide/periodic-tasks.html#starting-the-scheduler).
 */
export function runsBeat(container: Container): boolean {
  const words = wordsOf(container)
  const role = roleOfWords(words)
  // Click takes short flags together: `-EB`.
  if (role === 'worker') return words.some((word) => /^(-E?B|--beat$)/.test(word))
  return role === 'beat' || (role === undefined && isCalledBeat(container, words))
}

/** An entrypoint of the image whose argument selects what to run, or a container of that name. */
function isCalledBeat({ name }: Container, words: readonly string[]): boolean {
  return (words.length === 0 ? [name] : words.slice(0, 2)).some((word) =>
    /^((start|run)[-_]?)?(celery[-_]?)?beat(\.sh)?$/.test(word),
  )
}

/** Whether a container works off Celery's tasks. */
export function runsCeleryWorker(container: Container): boolean {
  const words = wordsOf(container)
  return roleOfWords(words) === 'worker' && words.includes('celery')
}

/** Returns the options of uWSGI, where they are all in the template: a file or a variable may have more. */
export function uwsgiOptions(container: Container): readonly string[] | undefined {
  const words = wordsOf(container)
  const at = words.indexOf('uwsgi')
  const options = words.slice(at + 1)
  const hasMore =
    options.some((word) => /\.(ini|ya?ml|xml|json)\b|^--(ini|yaml|xml|json)\b/.test(word)) ||
    (container.envFrom ?? []).length > 0 ||
    (container.env ?? []).some(({ name }) => name.startsWith('UWSGI_'))
  return at === -1 || hasMore ? undefined : options
}

/**
 * The workload that serves the web, whose template the migration Job is made from: the one that `from`
 * names (`web` or `deployment/web`), else the one behind a Service whose container of ours is a web
 * server, else the only one with such a command, else the only one at all.
 */
export function webWorkload(
  candidates: readonly Candidate[],
  services: readonly Service[],
  from?: string,
): WebWorkload {
  const usable = candidates.filter((each) => containerOf(each) !== undefined)
  const undecided = (because: 'no-such-name' | 'several' | 'none'): WebWorkload => ({
    is: 'undecided',
    because,
    candidates: usable.map((each) => idOf(each.workload)),
  })
  if (from !== undefined && from !== '') {
    const named = usable.filter(({ workload }) =>
      from.includes('/') ? idOf(workload) === from.toLowerCase() : workload.name === from,
    )
    return only(named, 'named') ?? undecided(named.length > 1 ? 'several' : 'no-such-name')
  }
  const served = usable.filter(
    (each) => roleOfCandidate(each) === 'web' && services.some((service) => selects(service, each)),
  )
  const commanded = (among: readonly Candidate[]): readonly Candidate[] =>
    among.filter((each) => {
      const container = containerOf(each)
      return container !== undefined && roleOfWords(wordsOf(container)) === 'web'
    })
  return (
    only(served, 'service') ??
    only(commanded(served), 'service') ??
    // Several web servers behind Services: which of them has the right environment is the user's to say.
    (served.length > 1 ? undefined : only(commanded(usable), 'command')) ??
    only(usable, 'only') ??
    undecided(usable.length > 1 ? 'several' : 'none')
  )
}

/** Whether a Service sends requests to the pods of a workload. One without a selector picks no pods. */
export function selects(service: Service, candidate: Candidate): boolean {
  const selector = Object.entries(service.spec?.selector ?? {})
  const labels = candidate.template.metadata?.labels ?? {}
  return selector.length > 0 && selector.every(([key, value]) => labels[key] === value)
}

function only(
  candidates: readonly Candidate[],
  because: 'named' | 'service' | 'command' | 'only',
): WebWorkload | undefined {
  const [candidate, second] = candidates
  const container = candidate && containerOf(candidate)
  if (!candidate || !container || second) return undefined
  return { is: 'found', candidate, container: container.name, because }
}

/** Returns the container that represents a workload: its web server, or the first that runs the image. */
function containerOf({ template, containers }: Candidate): Container | undefined {
  const own = (template.spec?.containers ?? []).filter(({ name }) => containers.includes(name))
  return own.find((each) => roleOf(each) === 'web') ?? own[0]
}

function roleOfCandidate(candidate: Candidate): Role {
  const container = containerOf(candidate)
  return container ? roleOf(container) : 'other'
}

/** Returns the role that a command line shows, if any. */
function roleOfWords(words: readonly string[]): Role | undefined {
  for (const [at, word] of words.entries()) {
    const rest = words.slice(at + 1)
    if (word === 'celery') return roleOfCelery(rest)
    if (servers.includes(word)) return 'web'
    if (workers.includes(word)) return 'worker'
    if (word === 'manage.py' || word === 'django-admin') {
      return rest[0] === 'celery'
        ? roleOfCelery(rest.slice(1))
        : serving.includes(rest[0] ?? '')
          ? 'web'
          : 'worker'
    }
  }
  return undefined
}

/** `celery -A shop worker -l info`: options before the command may have values of any name. */
function roleOfCelery(words: readonly string[]): Role {
  const valued = [
    '-A',
    '--app',
    '-b',
    '--broker',
    '--result-backend',
    '--loader',
    '--config',
    '--workdir',
  ]
  const command = words.find(
    (word, at) => !word.startsWith('-') && !valued.includes(words[at - 1] ?? ''),
  )
  return command === 'worker' || command === 'beat' || command === 'flower' ? command : 'other'
}

/** Programs that a command line may begin with and that say what runs: a server, an interpreter, a shell. */
export function startsRole(word: string): boolean {
  const program = word.split('/').at(-1) ?? word
  return (
    [...servers, ...workers, 'celery', 'manage.py', 'django-admin', 'supervisord'].includes(
      program,
    ) || /^(python|pypy)[\d.]*$|^(|ba|da|a|k|z)sh$/.test(program)
  )
}

/** The words of a command line, those inside of `sh -c "…"` too; programs without their folders. */
function wordsOf(container: Container): string[] {
  return [...(container.command ?? []), ...(container.args ?? [])]
    .flatMap((argument) => argument.split(/[\s;&|"']+/))
    .filter((word) => word !== '')
    .map((word) => (word.startsWith('-') ? word : (word.split('/').at(-1) ?? word)))
}
