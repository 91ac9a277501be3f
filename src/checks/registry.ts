/** What the registry answers about the image, and the login of docker there. Pure. */
import type { CommitLookup } from '../docker/registry.js'
import { hostOf, isLocal, loginHint } from '../docker/registry-errors.js'
import { shortTag } from '../kubernetes/image.js'
import { error, ok, warning, type Finding } from '../report/finding.js'

/** What is known of the registry. */
export interface RegistryAnswer {
  readonly lookup: CommitLookup
  /** Docker keeps a login for the registry's host. */
  readonly login: boolean
  /** The tag of the commit, where that names another build. */
  readonly beside?: string
}

export function registryFindings(
  repository: string,
  tag: string,
  { lookup, login, beside }: RegistryAnswer,
): readonly Finding[] {
  if (beside !== undefined) {
    const taken = `${hostOf(repository)} has ${repository}:${shortTag(beside)} of another build: the tag of this one is ${shortTag(tag)}`
    return [ok('registry', taken), ...registryFindings(repository, tag, { lookup, login })]
  }
  const host = hostOf(repository)
  const name = `${repository}:${shortTag(tag)}`
  const fix = host === 'docker.io' ? 'docker login' : `docker login ${host}`
  switch (lookup.is) {
    case 'there':
      return [ok('registry', `${host} has ${name} already: it is not built again`)]
    case 'another':
      return [
        ok(
          'registry',
          `${host} has ${name} of another commit (${shortTag(lookup.of)}): it is built again`,
        ),
      ]
    case 'another build':
      return [ok('registry', `${host} has ${name} of another build: it is built again`)]
    case 'unlabelled':
      return [
        error(
          'registry',
          `${host} has ${name} already, without a label that names its commit`,
          'roll that image out with "deploy", or set another "tag"',
        ),
      ]
    case 'absent':
      return [
        ok('registry', `${host} answers, and does not have ${name} yet: it will be built`),
        ...(login || isLocal(host)
          ? []
          : [
              warning(
                'registry',
                `docker has no login for ${host}, which requires one for a push`,
                fix,
              ),
            ]),
      ]
    case 'denied':
      return login
        ? [
            warning(
              'registry',
              `${host} denies ${repository}: normal before the first push to many registries, or this login may not read it (${lookup.said})`,
              loginHint(repository, 'read'),
            ),
          ]
        : [error('registry', `${host} denies ${repository}, and docker has no login there`, fix)]
    case 'unreachable':
      return [
        error(
          'registry',
          `${host} does not answer: ${lookup.said}`,
          'check the host name in "image", and that this machine reaches it',
        ),
      ]
    case 'failed':
      return [error('registry', `${name} could not be looked up: ${lookup.said}`, lookup.hint)]
  }
}
