/** A place in a traceback: the path is the one inside the image. */
export interface Frame {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** Missing for the line that a SyntaxError points at. */
  readonly function?: string
}

/** The error with which a Python program ended, deepest frame last. */
export interface Traceback {
  /** As printed, with its module where Python prints it: `django.db.utils.OperationalError`. */
  readonly exception: string
  /** The first line of the message; empty when there is none. */
  readonly message: string
  /** Empty for errors that Django prints without a traceback (`CommandError`, `SystemCheckError`). */
  readonly frames: readonly Frame[]
}

interface Found {
  readonly traceback: Traceback
  /** Index of its exception's line in the log. */
  readonly at: number
}

/** A traceback that is being read. */
interface Open {
  readonly headed: boolean
  /** The prefix of each of its lines: `web-1  | `. */
  readonly prefix: string
  readonly frames: Frame[]
}

const header = 'Traceback (most recent call last):'
const frame = /^\s+File "(.+?)", line (\d+)(?:, in (.+))?$/
const raised = /^([A-Za-z_][\w.<>]*)(?:: ?(.*))?$/

/** `INFO: …` is a line of a log that came in between, and no exception. */
const level = /^(DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL|LOG|DETAIL|HINT|STATEMENT)$/

/** Without a header above, only a name that looks like one of a class can end a traceback. */
const className = /(^|\.)[A-Z]\w*$/

/**
 * How a process is ended from outside, or how gunicorn's arbiter passes on that a worker could not boot:
 * never the cause when another traceback precedes it.
 */
const echo = /^(gunicorn\.errors\.)?HaltServer$|^SystemExit$|^KeyboardInterrupt$/

/**
 * The last Python traceback of a log, which is the one that ended the program. Of chained ones ("During
 * handling of…", "The above exception was the direct cause of…") it is the last too: the unhandled
 * one. A log that begins in the middle of a traceback gives what is left of it.
 */
export function lastTraceback(lines: readonly string[]): Traceback | undefined {
  return findTraceback(lines)?.traceback
}

/** Returns the last traceback or plain error of Django in a log. */
export function lastError(lines: readonly string[]): Traceback | undefined {
  const traceback = findTraceback(lines)
  const plain = findPlain(lines)
  return (plain && plain.at > (traceback?.at ?? -1) ? plain : traceback)?.traceback
}

/**
 * The deepest frame in the user's own code: neither an installed package nor Python itself, nor what is
 * no file (`<frozen …>`, `<string>`, which is also the inspector). `manage.py` counts only when it raised
 * the exception itself: otherwise it is the top of every traceback and explains nothing.
 */
export function ownFrame(traceback: Traceback): Frame | undefined {
  const { frames } = traceback
  return frames.findLast(
    (each, index) => isOwn(each.file) && (!isManage(each.file) || index === frames.length - 1),
  )
}

/** How the inspector names its files. */
const inspector = 'rollout_inspector/'

/** Python's own library: /usr/lib/python3, /usr/local/lib/python3.13, /opt/conda/lib/python3.12. */
const library = /\/lib(64)?\/python\d+(\.\d+)?t?\//
const installed = /\/(site|dist)-packages\//

/** What each command of Django calls at its start: functions, by file. */
const calledByAllCommands: Readonly<Record<string, readonly string[]>> = {
  __init__: ['setup'],
  'conf/__init__': ['__getattr__'],
  'core/management/__init__': ['call_command', 'get_commands'],
  'utils/connection': ['__getitem__'],
  'db/utils': ['__getitem__', 'allow_migrate'],
  // Around what connects.
  'utils/asyncio': ['inner'],
  'db/backends/base/base': ['ensure_connection', 'connect', 'cursor'],
  'db/migrations/executor': ['__init__', 'migration_plan'],
  'db/migrations/loader': ['__init__', 'check_consistent_history', 'detect_conflicts'],
}

/** What Django says of the settings, the packages and the database of a project, no matter who calls it. */
const ofTheProject =
  /(^|\.)(ImproperlyConfigured|ImportError|ModuleNotFoundError|OperationalError|InterfaceError)$/
const noRight = /permission denied/i
/** What MySQL and SQLite say of a query that they cannot run: to Django that is an OperationalError too. */
const wrongQuery =
  /syntax error|no such (table|column|function)|unknown column|function \S+ does not exist/i

/**
 * Returns the place in the inspector that has failed, if it was the inspector. Its last frame that nothing but the
 * inspector has called decides: what Django or the project calls of it (a wrapper of each query) only passes on what
 * others raise. Below that frame there is
 * - nothing: the inspector itself has raised it, on purpose if it is an error of Django's commands;
 * - a file of the project: the project has raised it, and would for others;
 * - a call that each command of Django makes (settings, apps, checks, the connection, the files of the migrations): the
 *   project's too, although Django alone is seen in the traceback;
 * - another call into Django or a package: that failed by what the inspector passed, or by a version that it does not
 *   know. What Django says of settings, packages and a database that does not answer or gives no right is none of that.
 * In doubt it is the inspector: who looks for an error in code that has none loses more than who reads of a fault of
 * ours, which the same line names.
 */
export function faultOfInspector({ exception, message, frames }: Traceback): Frame | undefined {
  if (/(^|\.)CommandError$/.test(exception)) return undefined
  const known = frames.filter(({ file }) => !isOfPython(file))
  const isOurs = (each: Frame | undefined) => each?.file.startsWith(inspector) === true
  const last = known.at(-1)
  if (isOurs(last)) return last
  const first = known.findIndex(isOurs)
  const at = known.findLastIndex(
    (each, index) => isOurs(each) && (index === first || isOurs(known[index - 1])),
  )
  const below = known.slice(at + 1).filter((each) => !isOurs(each))
  const isOfProject =
    below.some((each) => isOwn(each.file) || isOfAllCommands(each)) ||
    noRight.test(message) ||
    (ofTheProject.test(exception) && !wrongQuery.test(message))
  return isOfProject ? undefined : known[at]
}

function isOfAllCommands(frame: Frame): boolean {
  const [, file = ''] = /^.*\/django\/(.+)\.py$/.exec(frame.file) ?? []
  return calledByAllCommands[file]?.includes(frame.function ?? '') === true
}

/** Whether it is a file of Python's own library, or none: the import system, the inspector's loader. */
function isOfPython(file: string): boolean {
  return file.startsWith('<') || (library.test(file) && !installed.test(file))
}

/** Whether it is the top of all that its commands do. */
export function isManage(file: string): boolean {
  return /(^|\/)manage\.py$/.test(file)
}

/** Whether a path inside an image may be the user's own code. */
export function isOwn(file: string): boolean {
  return !(
    file.startsWith('<') ||
    file.startsWith(inspector) ||
    installed.test(file) ||
    library.test(file) ||
    // /usr/local/bin/gunicorn, /venv/bin/celery
    /\/bin\/[^/.]+$/.test(file)
  )
}

/**
 * The file of the repository that a path inside the image belongs to: the longest end of the path that
 * exists under the build context (`/app/shop/wsgi.py` is `examples/shop/shop/wsgi.py` when the context is
 * `examples/shop`). `exists` takes, and the function returns, a path from the repository's root.
 */
export function repoFile(
  file: string,
  exists: (path: string) => boolean,
  contextDir: string,
): string | undefined {
  const names = file.split('/').filter((name) => name !== '' && name !== '.')
  // The path comes from a log: it must not lead out of the repository.
  if (names.includes('..')) return undefined
  const context = contextDir.replace(/^(\.\/)+|^\.$|\/+$/g, '')
  for (let start = 0; start < names.length; start++) {
    const path = [...(context === '' ? [] : [context]), ...names.slice(start)].join('/')
    if (exists(path)) return path
  }
  return undefined
}

/**
 * One line for a person: `ModuleNotFoundError: No module named 'shop.task' (shop/celery.py:3)`.
 * `place` is the image's WORKDIR, which is taken off the path, or a function that maps a path inside the
 * image to one that the reader knows.
 */
export function describeTraceback(
  traceback: Traceback,
  place: string | ((file: string) => string | undefined) = '',
): string {
  const said = sentence(traceback)
  const own = ownFrame(traceback)
  if (own === undefined) return said
  const file = typeof place === 'function' ? (place(own.file) ?? own.file) : below(place, own.file)
  return `${said} (${file}:${own.line})`
}

/** The exception without its module, and its message: `OperationalError: connection failed`. */
export function sentence({ exception, message }: Traceback): string {
  const name = exception.split('.').at(-1) ?? exception
  return message === '' ? name : `${name}: ${cut(message)}`
}

function findTraceback(lines: readonly string[]): Found | undefined {
  let open: Open | undefined
  let found: Found | undefined
  let cause: Found | undefined
  for (const [at, raw] of lines.entries()) {
    const text = plain(raw)
    const headed = text.endsWith(header)
    if (headed) {
      open = { headed, prefix: prefixOf(text), frames: [] }
      continue
    }
    const line = open && text.startsWith(open.prefix) ? text.slice(open.prefix.length) : text
    const place = frame.exec(line)
    if (place) {
      open ??= { headed: false, prefix: '', frames: [] }
      open.frames.push(frameOf(place))
      continue
    }
    if (open === undefined || /^\s|^$/.test(line)) continue
    const [, exception, message = ''] = raised.exec(line) ?? []
    if (exception === undefined || level.test(exception)) {
      // A line of another thread or process in between; where there was no header, the end.
      if (!open.headed) open = undefined
      continue
    }
    if (open.headed || className.test(exception)) {
      found = { at, traceback: { exception, message: message.trim(), frames: open.frames } }
      if (!echo.test(exception)) cause = found
    }
    open = undefined
  }
  return cause ?? found
}

/**
 * What is said without a traceback: Django's `CommandError: …` and `Unknown command: …`, the first issue
 * below its `SystemCheckError: …` (`django/core/management/base.py`, `run_from_argv`), Celery's
 * `Unable to load celery application.` with the line below it (`celery/bin/celery.py`), and what web servers say. The
 * last one.
 */
function findPlain(lines: readonly string[]): Found | undefined {
  for (let at = lines.length - 1; at >= 0; at--) {
    const line = plain(lines[at] ?? '')
    const below = lines.slice(at + 1)
    const traceback = plainAt(line, below) ?? ofServer(line, below)
    if (traceback) return { at, traceback }
  }
  return undefined
}

function plainAt(line: string, below: readonly string[]): Traceback | undefined {
  if (line === 'Unable to load celery application.') {
    return { exception: 'Error', message: `${line} ${plain(below[0] ?? '')}`.trim(), frames: [] }
  }
  if (line.startsWith('Unknown command: '))
    return { exception: 'CommandError', message: line, frames: [] }
  const [, exception, message = ''] = /^(CommandError|SystemCheckError): (.*)$/.exec(line) ?? []
  if (exception === undefined) return undefined
  const [issue, ...others] = exception === 'SystemCheckError' ? issuesBelow(below) : []
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  return { exception, message: issue === undefined ? message : `${issue}${more}`, frames: [] }
}

/** What gunicorn says of the name of an application (`gunicorn.errors.AppImportError`). */
const noApplication =
  /^(Application object must be callable\.|(Failed to (find|parse)|Function reference) .*)$/

/** What a web server says of an error in its own words, where it prints no traceback. */
function ofServer(line: string, below: readonly string[]): Traceback | undefined {
  const says = (words: string) => below.slice(0, 8).some((each) => each.includes(words))
  const error = (exception: string, message: string): Traceback => ({
    exception,
    message,
    frames: [],
  })
  if (noApplication.test(line) && says('App failed to load')) return error('AppImportError', line)
  const [, address] = /\] Connection in use: (\(.+\))$/.exec(line) ?? []
  if (address !== undefined && says(`Can't connect to ${address}`))
    return error('OSError', `Address already in use: ${address}`)
  const [, ofWaitress] =
    /^There was an exception \((\w+)\) importing your module\.$/.exec(line) ?? []
  if (ofWaitress !== undefined) {
    const first = below.map(plain).find((each) => each.startsWith('1. '))
    return error(ofWaitress, first?.slice(3) ?? '')
  }
  const [, ofUwsgi, message = ''] = /^(\w+Error): (.+)$/.exec(line) ?? []
  const isOfUwsgi = ofUwsgi !== undefined && below[0]?.startsWith('unable to load app ') === true
  return isOfUwsgi ? error(ofUwsgi, message) : undefined
}

/** The lines below `CRITICALS:` and `ERRORS:`: the levels that make a check fail. */
function issuesBelow(lines: readonly string[]): string[] {
  const issues: string[] = []
  let fails = false
  for (const raw of lines) {
    const line = plain(raw)
    if (line.startsWith('System check identified')) break
    if (/^[A-Z]+:$/.test(line)) fails = line === 'ERRORS:' || line === 'CRITICALS:'
    // A hint is on a separate line, with a tab before it.
    else if (fails && /^\S/.test(line)) issues.push(line)
  }
  return issues
}

/** Without colours, the line's end, and the time that `kubectl logs --timestamps` puts before it. */
export function plain(line: string): string {
  return (
    line
      // eslint-disable-next-line no-control-regex -- colours begin with the escape character
      .replace(/\x1b\[[\d;]*m/g, '')
      .replace(/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) /, '')
      .trimEnd()
  )
}

/** In an exception group the header follows `  + `, and the other lines follow `  | `. */
function prefixOf(line: string): string {
  const before = line.slice(0, -header.length)
  return before.replace(/\+ Exception Group $/, '| ')
}

function frameOf(match: RegExpExecArray): Frame {
  const [, file = '', line = '', name] = match
  const place = { file, line: Number(line) }
  return name === undefined ? place : { ...place, function: name }
}

function below(folder: string, file: string): string {
  const start = folder.endsWith('/') ? folder : `${folder}/`
  return folder !== '' && file.startsWith(start) ? file.slice(start.length) : file
}

/** Messages may hold a whole query or page: a sentence of 300 characters is enough here. */
function cut(text: string): string {
  return text.length > 300 ? `${text.slice(0, 299)}…` : text
}
