/** The programs of this machine that a release calls. Pure. */
import { engineCause } from '../docker/client.js'
import { error, ok, warning, type Finding } from '../report/finding.js'
import { clientVersion, minorsApart } from '../kubernetes/skew.js'
import type { Finished } from '../platform/platform.js'

/** The answer of each of them. */
export interface Answers {
  /** `git --version` */
  readonly git: Finished
  /** `docker version --format '{{json .}}'` */
  readonly docker: Finished
  /** `docker buildx version` */
  readonly buildx: Finished
  /** `kubectl version --client -o json`; none: it is not on PATH. */
  readonly kubectl?: Finished
}

export function has({ code }: Finished): boolean {
  return code === 0
}

/** What the client answers where no engine does, too. */
export function hasDocker({ docker }: Answers): boolean {
  return docker.code !== 127
}

/** What is known of the release that needs the tools. */
export interface Need {
  /** Its image has to be built: else no engine is needed. */
  readonly builds: boolean
  /** The commit, or the tag that replaces it, is known: without git too. */
  readonly known: boolean
  /** A runner downloads its own kubectl. */
  readonly fetches: boolean
}

export function toolFindings(
  answers: Answers,
  { builds, known, fetches }: Need,
): readonly Finding[] {
  return [
    gitFinding(answers.git, known),
    ...dockerFindings(answers, builds),
    answers.kubectl && has(answers.kubectl)
      ? ok('tools', `kubectl ${clientVersion(answers.kubectl)}`)
      : fetches
        ? warning(
            'tools',
            'kubectl is not on PATH: a release downloads it into the runner’s tool cache',
          )
        : error('tools', 'kubectl is not on PATH', 'https://kubernetes.io/docs/tasks/tools/'),
  ]
}

function gitFinding(git: Finished, known: boolean): Finding {
  if (has(git)) return ok('tools', git.stdout.trim().replace('git version', 'git'))
  return known
    ? warning('tools', 'git was not found, so a newer live commit cannot be detected')
    : error('tools', 'git was not found, so the commit is not known', 'install git, or set "tag"')
}

function dockerFindings(answers: Answers, builds: boolean): readonly Finding[] {
  const { docker, buildx } = answers
  const needed = builds ? error : warning
  const problem = (finished: Finished, is: typeof error): Finding => {
    const cause = engineCause('', finished)
    return is('tools', cause?.sentence.slice(2) ?? said(finished), cause?.hint)
  }
  if (!hasDocker(answers)) return [problem(docker, needed)]
  const { Client, Server } = versionsOf(docker.stdout)
  return [
    has(docker) && Server
      ? ok('tools', `docker ${Client?.Version ?? ''}, engine ${Server.Version ?? ''}`)
      : problem(docker, needed),
    has(buildx)
      ? ok('tools', `docker buildx ${/v?\d+\.\d+\.\d+\S*/.exec(buildx.stdout)?.[0] ?? ''}`)
      : problem(buildx, needed),
  ]
}

interface DockerVersions {
  readonly Client?: { readonly Version?: string }
  readonly Server?: { readonly Version?: string } | null
}

function versionsOf(json: string): DockerVersions {
  try {
    return JSON.parse(json.split('\n')[0] ?? '') as DockerVersions
  } catch {
    return {}
  }
}

function said({ stderr, code }: Finished): string {
  return stderr.trim().split('\n')[0] || `docker exited with ${code}`
}

/** kubectl and the server of an open cluster. */
export function skewFindings(client: string, server: string): readonly Finding[] {
  const apart = minorsApart(client, server)
  if (apart === 0) return []
  const message = `kubectl ${client} is ${apart} minor versions from the server’s ${server}; Kubernetes supports one`
  return [
    warning('tools', message, `install kubectl ${server}: https://kubernetes.io/docs/tasks/tools/`),
  ]
}
