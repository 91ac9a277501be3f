/** What GitHub refuses: what is not documented, or not of the right type. */
export type Body = Readonly<Record<string, unknown>>

export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** Fields by name with what they may hold; those with `!` must be there. */
export type Fields = Readonly<Record<string, (value: unknown) => boolean>>
export const isText = (value: unknown) => typeof value === 'string'

export function check(body: Body, fields: Fields): void {
  const known = new Map(Object.entries(fields).map(([name, is]) => [name.replace('!', ''), is]))
  for (const [name, value] of Object.entries(body)) {
    const is = known.get(name)
    if (!is) throw new Refused(422, `Invalid request. "${name}" is not a permitted key.`)
    if (!is(value)) throw new Refused(422, `Invalid request. For '${name}', that is not valid.`)
  }
  for (const name of Object.keys(fields)) {
    if (name.endsWith('!') && !(name.slice(0, -1) in body)) {
      throw new Refused(422, `Invalid request. "${name.slice(0, -1)}" wasn't supplied.`)
    }
  }
}
