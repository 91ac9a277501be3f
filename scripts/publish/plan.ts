/** Decides what is published, and whether it may be: pure. */

export interface Plan {
  readonly name: string
  readonly version: string
  /** `v1.2.3` */
  readonly tag: string
  /** npm's own tag: a fix of an older version does not become `latest`. */
  readonly npmTag: string
  /** `v1`: what users name, and what moves to each new version; none when a newer one has it. */
  readonly movingTag: string | undefined
  /** The version's section of CHANGELOG.md, without its heading. */
  readonly notes: string
}

export interface RawInputs {
  /** Text of package.json. */
  readonly project: string
  /** Text of CHANGELOG.md. */
  readonly changelog: string
  /** Of the repository. */
  readonly tags: readonly string[]
  /** The tag that was pushed; none in a dry run. */
  readonly tag?: string | undefined
}

/** Throws one sentence for what keeps it from being published. */
export function planOf({ project, changelog, tags, tag }: RawInputs): Plan {
  const { name, version } = JSON.parse(project) as { name: string; version: string }
  const [, minor, major] = /^((\d+)\.\d+)\.\d+$/.exec(version) ?? []
  if (minor === undefined || major === undefined) {
    throw new Error(`package.json: version ${version} is not of the form 1.2.3`)
  }
  const own = `v${version}`
  if (tag !== undefined && tag !== own) {
    throw new Error(`the tag ${tag} is not the version of package.json, ${version}`)
  }
  const ofMajor = tags.filter((one) => one.startsWith(`v${major}.`))
  return {
    name,
    version,
    tag: own,
    notes: notesOf(changelog, version, tag),
    npmTag: isNewest(own, tags) ? 'latest' : `release-${minor}`,
    movingTag: isNewest(own, ofMajor) ? `v${major}` : undefined,
  }
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
  // The link targets of the headings are at the end of the file.
  const notes = lines
    .filter((line) => !/^\[[^\]]+\]: /.test(line))
    .join('\n')
    .trim()
  if (notes === '') throw new Error(`CHANGELOG.md: the section of ${version} is empty`)
  return notes
}

/** Whether none of these tags is of a newer version: `v1.10.0` is newer than `v1.9.0`. */
export function isNewest(tag: string, others: readonly string[]): boolean {
  const own = numbersOf(tag)
  return !others.some((other) => {
    const numbers = numbersOf(other)
    const at = numbers.findIndex((number, i) => number !== own[i])
    return at >= 0 && (numbers[at] ?? 0) > (own[at] ?? 0)
  })
}

/** None of what is no version. */
function numbersOf(tag: string): readonly number[] {
  return /^v(\d+)\.(\d+)\.(\d+)$/.exec(tag)?.slice(1).map(Number) ?? []
}
