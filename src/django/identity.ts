/** Which database it is. Pure. */
import { isRecord, isText, isTexts } from './json.js'

/** What identifies a database, without a password: by its settings, and by its server. */
export interface Identity {
  /** Django's name: `postgresql`, `mysql` (MariaDB too), `sqlite`, `oracle` or a third party's. */
  readonly vendor: string
  /** Of SQLite the path of its file. */
  readonly name: string
  /** Empty where settings leave it to the driver. */
  readonly host: string
  readonly port: string
  readonly user: string
  readonly schema?: string
  /** The identifier of the server itself, the same through every proxy. */
  readonly server?: string
  /** When it was started, for servers that do not report the former to every user. */
  readonly started?: string
}

/** By alias in `DATABASES`. */
export type Databases = Readonly<Record<string, Identity>>

/** What was kept of the release before; what cannot be read is left out. */
export function databasesOfJson(json: unknown): Databases {
  return Object.fromEntries(
    Object.entries(isRecord(json) ? json : {}).flatMap(([alias, each]) => {
      const identity = identityOf(each)
      return identity ? [[alias, identity] as const] : []
    }),
  )
}

/** `undefined` for what is no identity: of a person's edit, or of another version of this program. */
export function identityOf(json: unknown): Identity | undefined {
  if (!isRecord(json) || !isTexts(json)) return undefined
  const { vendor, name, host, port, user, schema, server, started } = json
  if (!isText(vendor) || !isText(name) || !isText(host) || !isText(port) || !isText(user)) {
    return undefined
  }
  return {
    vendor,
    name,
    host,
    port,
    user,
    ...(isText(schema) && { schema }),
    ...(isText(server) && { server }),
    ...(isText(started) && { started }),
  }
}
