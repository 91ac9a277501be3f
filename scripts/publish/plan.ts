/** What is to be published, and whether it may be: pure. */

export interface Plan {
  readonly name: string
  readonly version: string
  /** `v1.2.3` */
  readonly tag: string
  /** `v1`: what users name, and what is moved to each new version. */
  readonly movingTag: string
  /** The version's section of CHANGELOG.md, without its heading. */
  readonly notes: string
}

export interface RawInputs {
  /** Text of package.json. */
  readonly project: string
  /** Text of CHANGELOG.md. */
  readonly changelog: string
  /** The tag that was pushed; none in a dry run. */
  readonly tag?: string | undefined
}

/** Throws one sentence for what keeps it from being published. */
export function planOf({ project, changelog, tag }: RawInputs): Plan {
  const { name, version } = JSON.parse(project) as { name: string; version: string }
  const major = /^(\d+)\.\d+\.\d+$/.exec(version)?.[1]
  if (major === undefined) {
    throw new Error(`package.json: version ${version} is not of the form 1.2.3`)
  }
  if (tag !== undefined && tag !== `v${version}`) {
    throw new Error(`the tag ${tag} is not the version of package.json, ${version}`)
  }
  const movingTag = `v${major}`
  return { name, version, tag: `v${version}`, movingTag, notes: notesOf(changelog, version, tag) }
}

/** A dry run takes a section without a date, too. */
function notesOf(changelog: string, version: string, tag: string | undefined): string {
  const sections = changelog.split(/^## /m).slice(1)
  const section = sections.find((text) => text.startsWith(`[${version}]`))
  if (section === undefined) throw new Error(`CHANGELOG.md has no section "## [${version}] - date"`)
  const [heading = '', ...lines] = section.split('\n')
  if (tag !== undefined && !/ - \d{4}-\d\d-\d\d$/.test(heading)) {
    throw new Error(`CHANGELOG.md: the heading "## ${heading}" has no date (2026-01-31)`)
  }
  // What the headings link to stands at the end of the file.
  const notes = lines
    .filter((line) => !/^\[[^\]]+\]: /.test(line))
    .join('\n')
    .trim()
  if (notes === '') throw new Error(`CHANGELOG.md: the section of ${version} is empty`)
  return notes
}

/** The newest of some tags of the same major version, when it is newer than this one: `v1.10.0` than `v1.9.0`. */
export function newerThan(tag: string, others: readonly string[]): string | undefined {
  const numbers = (one: string) => /^v(\d+)\.(\d+)\.(\d+)$/.exec(one)?.slice(1).map(Number)
  const own = numbers(tag)
  const compare = (one: readonly number[], other: readonly number[]) =>
    one.map((number, at) => number - (other[at] ?? 0)).find((difference) => difference !== 0) ?? 0
  return others
    .flatMap((name) => {
      const version = numbers(name)
      return own && version && version[0] === own[0] ? [{ name, version }] : []
    })
    .sort((one, other) => compare(other.version, one.version))
    .find(({ version }) => own && compare(version, own) > 0)?.name
}
