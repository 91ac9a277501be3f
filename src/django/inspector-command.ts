/** How the inspector starts: in the place of the user's migrate command, as the web is started. Pure. */
import { mostBodies } from './inspector-env.js'
import { inspectorSource } from './inspector.generated.js'
import { optionOf, words } from './migrate-command.js'

/** How a command calls Django's own command line. */
export interface Management {
  /** What prepares the shell for it. */
  readonly before: readonly string[]
  /** `poetry run python manage.py` */
  readonly manage: string
  /** `--settings=shop.production` */
  readonly settings: readonly string[]
}

/** Where no command calls it. */
export const usual: Management = { before: [], manage: 'python manage.py', settings: [] }

/** A program that prepares the web's environment and then becomes what follows it: an entrypoint. */
export interface Starter {
  readonly words: readonly string[]
  /** The pod must check whether it does no more than that. */
  readonly isScript: boolean
}

/**
 * The argument list that runs the inspector: `manage.py` called as the option `migrate-command` calls it
 * (`poetry run python manage.py migrate`), with its `--settings` and `--pythonpath`. Needs a shell only
 * where that command does (`cd src && python manage.py migrate`); commands before it that do more than to
 * prepare the shell are left out, since they are not ours to run for a plan. What starts the web starts it
 * too, unless that command has it itself.
 */
export function planCommand(migrateCommand: string, starter?: Starter, marker = ''): string[] {
  const { before, manage, settings } = managementIn(migrateCommand) ?? usual
  const shell = ['shell', '-v', '0', ...settings, '-c', inspectorSource]
  const isBare =
    /^(\S*python[\d.]* (-m django|\S+)|\S*django-admin|\S*manage\.py)$/.test(manage) &&
    !/[$`'"\\|&<>(){}*?~#=]/.test(manage)
  const plan =
    before.length === 0 && isBare
      ? [...words(manage), ...shell]
      : [
          '/bin/sh',
          '-c',
          [keepEnvironment, ...before, `${manage} "$@"`].join(' && '),
          'sh',
          ...shell,
        ]
  return started(plan, migrateCommand, { starter, marker })
}

/** The argument list of a command of the user's, started as the web is. A shell only where its text needs one. */
export function startedCommand(command: string, starter?: Starter, marker = ''): string[] {
  const isBare = !/[$`'"\\;|&<>(){}*?~#=\n]/.test(command)
  const own = isBare ? words(command) : ['/bin/sh', '-c', command]
  return started(own, command, { starter, marker })
}

function started(
  own: string[],
  command: string,
  { starter, marker }: { readonly starter: Starter | undefined; readonly marker: string },
): string[] {
  if (!starter || words(command).includes(starter.words[0] ?? '')) return own
  return starter.isScript
    ? ['/bin/sh', '-c', throughScript, 'sh', marker, ...starter.words, ...own]
    : [...starter.words, ...own]
}

/**
 * The web does not have what the migrate command sets: the container's own environment is kept for what is
 * imported in its name. One argument of a program may have 128 KiB.
 */
const keepEnvironment = `{ DJANGO_ROLLOUT_ENV=$(for n in ${[...Array(mostBodies).keys()].join(' ')}; do unset "DJANGO_ROLLOUT_NEEDS_$n"; done; export -p); [ "\${#DJANGO_ROLLOUT_ENV}" -gt 100000 ] || export DJANGO_ROLLOUT_ENV; }`

/**
 * Begins by a script (`$2`) that ends by becoming its arguments, as it does for the web: what it exports is
 * there then. Passes it by when it does more (its own migration would come before the plan), or when it
 * does not hand over: it would start the web. Then what it exports in plain lines is taken from its text.
 */
const throughScript = `m=$1; s=$2; shift 2
f=$(command -v "$s") || f=
h= b= e=
if [ -r "$f" ]; then
  IFS= read -r l <"$f"
  case $l in '#!'*sh|'#!'*sh\\ *)
    while IFS= read -r l || [ -n "$l" ]; do
      case $l in
        ''|\\#*) ;;
        *migrate*|*manage.py*|*django-admin*) b="it calls manage.py" ;;
        'export '*)
          h=
          case $l in *[\\;\\&\\|\\\`]*|*'$('*) ;; *) (set -u; eval "$e$l") >/dev/null 2>&1 && e="$e$l
" ;; esac ;;
        'exec "$@"'|'exec $@'|'exec "\${@}"'|'"$@"'|'exec gosu '*' "$@"'|'exec su-exec '*' "$@"'|'exec setpriv '*' "$@"') h=1 ;;
        *[![:space:]]*) h= ;;
      esac
    done <"$f" ;;
  esac
fi
if [ -n "$h" ] && [ -z "$b" ]; then export DJANGO_ROLLOUT_THROUGH="$s"; exec "$s" "$@"; fi
eval "$e"
echo "$m"'{"past":"'"\${b:-it does not end with exec \\"\\$@\\"}"'"}'"$m"
exec "$@"`

/** How a command calls Django's own command line with a verb; `undefined` where it does not. */
export function managementIn(command: string, verb = /\w*migrate/): Management | undefined {
  const parts = command.split(/\s*(?:&&|;)\s*/)
  const calls = parts.map((part) => managed(part, verb))
  const at = calls.findIndex((call) => call !== undefined)
  const manage = calls[at]
  if (manage === undefined) return undefined
  const found = words(parts[at] ?? '')
  const settings = ['--settings', '--pythonpath'].flatMap((name) => {
    const value = optionOf(name, found)
    return value === undefined ? [] : [`${name}=${value}`]
  })
  const before = parts.slice(0, at).filter((part) => /^(cd|export|\.|source) /.test(part))
  return { before, manage, settings }
}

/** The words before the verb, when they call Django's own command line. */
function managed(part: string, verb: RegExp): string | undefined {
  const calls = new RegExp(`^(.*(?:\\bmanage\\.py|\\bdjango-admin|-m\\s+django))\\s+${verb.source}`)
  // In `sh -c "python manage.py migrate"` it begins behind the quote that is still open.
  return calls
    .exec(part.trim())?.[1]
    ?.replace(/^[^'"]*['"](?=[^'"]*$)/, '')
    .replace(/^exec\s+/, '')
}
