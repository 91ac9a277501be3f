/** What the user's migrate command does, by its words. Pure. */

/**
 * Whether a command is Django's own `migrate` of all apps and nothing else, so that it has nothing to do when
 * nothing is pending. Any other is run in any case: a plan sees one schema of each database.
 */
export function isPlain(command: string): boolean {
  const all = words(command)
  const at = all.indexOf('migrate')
  const options = all.slice(at + 1)
  return (
    at > 0 &&
    !/[$`'"\\;&|<>()\n]/.test(command.trim()) &&
    callsDjango.test(all.slice(0, at).join(' ')) &&
    // Any other word names an app, and syncdb creates tables that are in no migration.
    options.every((word, i) => word.startsWith('-') || valued.includes(options[i - 1] ?? '')) &&
    !options.includes('--run-syncdb')
  )
}

const callsDjango =
  /^(\w+=\S* )*(exec )?((poetry|uv|pipenv|pdm|hatch) run )?(\S*python[\d.]* )?(\S*manage\.py|-m django|\S*django-admin)$/

/** Options of `migrate` that take a separate word as their value. */
const valued = ['--database', '--settings', '--pythonpath', '-v', '--verbosity']

/** The aliases of the databases that a command migrates, as far as its words name them. */
export function databasesOf(command: string): readonly string[] {
  const named = command
    .split(/&&|\|\||[;|&\n]/)
    .filter((part) => /\smigrate\b/.test(part))
    .map((part) => optionOf('--database', words(part)) ?? 'default')
  const known = named.filter((alias) => /^[\w.-]+$/.test(alias))
  return known.length === 0 ? ['default'] : [...new Set(known)]
}

export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

export function optionOf(name: string, args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`))
  const value = args[at] === name ? args[at + 1] : args[at]?.slice(name.length + 1)
  return value?.replace(/^['"]|['"]$/g, '')
}
