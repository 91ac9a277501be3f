/** The configuration of docker for one run: the user's own, with one login more. Pure. */
import {
  bareHost,
  isOfHost,
  loginIn,
  readConfig,
  type DockerConfig,
  type Entry,
} from './credentials.js'
import { hostOf, serverAddress } from './registry-errors.js'

/** Docker calls `docker-credential-<helper>`; a number follows, which says whose login it returns. */
export const helperName = 'django-rollout-'

/** The variable in which that helper finds the login of this number. */
export const loginVariable = (number: number): string => `DJANGO_ROLLOUT_LOGIN_${number}`

/**
 * A credential helper that keeps nothing: it answers from its variables, so that no login is on a disk, not even
 * when the run is killed.
 */
export const helperScript = `#!/bin/sh
read -r asked
case "$1" in
  get) eval "printf '%s' \\"\\$DJANGO_ROLLOUT_LOGIN_\${0##*-}\\"" ;;
  list) printf '{}' ;;
esac
`

export interface Login {
  readonly repository: string
  readonly username: string
  readonly password: string
}

export interface PrivateConfig {
  readonly config: string
  /** What the helper answers, by its number. */
  readonly logins: readonly string[]
}

/** How docker calls its own registry. */
const hubAddress = serverAddress('docker.io')

/** Returns the user's `config.json` with this login, and without the text of any other but a token of a registry, which no helper can return. */
export function privateConfig(text: string | undefined, login: Login): PrivateConfig {
  const { auths, credHelpers, ...more } = readConfig(text)
  const own = addressesOf(hostOf(login.repository))
  const others = othersIn(auths, login)
  const kept = more.credsStore
    ? []
    : others.flatMap(([address, auth]) => {
        const [Username, Secret] = answerOf(auth) ?? []
        return Username === undefined || Secret === undefined
          ? []
          : [{ address, answer: { ServerURL: address, Username, Secret } }]
      })
  const [address = ''] = own
  const all = [
    {
      addresses: own,
      answer: { ServerURL: address, Username: login.username, Secret: login.password },
    },
    ...kept.map(({ address, answer }) => ({ addresses: [address, nameOf(address)], answer })),
  ]
  const [given = [], ...copied] = all.map(({ addresses }, number) =>
    addresses.map((address) => [address, `${helperName}${number}`] as const),
  )
  const config = {
    ...more,
    auths: Object.fromEntries(others.map(([address, auth]) => [address, tokenOf(auth)])),
    // A helper that the user has for a registry goes before the text of a login, as docker has it.
    credHelpers: {
      ...Object.fromEntries(copied.flat()),
      ...credHelpers,
      ...Object.fromEntries(given),
    },
  }
  return { config: JSON.stringify(config), logins: all.map(({ answer }) => JSON.stringify(answer)) }
}

/** The same where no helper can be started: the logins are in the text. */
export function configWithLogins(text: string | undefined, login: Login): string {
  const { auths, credHelpers, credsStore, ...more } = readConfig(text)
  const own = addressesOf(hostOf(login.repository))
  const others = othersIn(auths, login)
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64')
  // A store of the user's for all registries would get the login. It is named for the others alone.
  const stored = credsStore ? others.map(([address]) => [nameOf(address), credsStore] as const) : []
  const helpers = { ...Object.fromEntries(stored), ...credHelpers }
  return JSON.stringify({
    ...more,
    auths: {
      ...Object.fromEntries(others),
      ...Object.fromEntries(own.map((address) => [address, { auth }])),
    },
    credHelpers: Object.fromEntries(
      Object.entries(helpers).filter(([address]) => !own.includes(address)),
    ),
  })
}

/** Returns DOCKER_AUTH_CONFIG, which docker prefers to its configuration, without a login of this registry. */
export function withoutLogin(text: string, login: Login): string {
  const { auths, ...more } = readConfig(text)
  const others = othersIn(auths, login)
  return others.length === 0 ? '' : JSON.stringify({ ...more, auths: Object.fromEntries(others) })
}

/** Returns the logins of other registries. */
function othersIn(auths: DockerConfig['auths'], { repository }: Login) {
  const host = hostOf(repository)
  return Object.entries(auths ?? {}).filter(([address]) => !isOfHost(address, host))
}

/** All that docker, its plugins and their libraries call this registry. */
function addressesOf(host: string): readonly string[] {
  return host === 'docker.io' ? [hubAddress, 'index.docker.io', 'docker.io'] : [host]
}

/** The name of a helper: that of docker's own registry is its whole address. */
function nameOf(address: string): string {
  return address === hubAddress ? address : bareHost(address)
}

/** A helper returns an identity token as the password of this name. */
function answerOf(auth: Entry | null): readonly [name: string, secret: string] | undefined {
  const login = auth ? loginIn(auth) : undefined
  if (login?.is === 'identity') return ['<token>', login.token]
  return login?.is === 'password' ? [login.username, login.password] : undefined
}

function tokenOf(auth: Entry | null): Pick<Entry, 'registrytoken'> {
  const login = auth ? loginIn(auth) : undefined
  return login?.is === 'token' ? { registrytoken: login.token } : {}
}
