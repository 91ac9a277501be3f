import { lastError, ownFrame, plain, describeTraceback } from '../django/traceback.js'
import type { Traceback } from '../django/traceback.js'
import type { Diagnosis } from './types.js'
import { oneLine } from './words.js'

/**
 * Reads the log of a container that exited: whether the crash may pass, and what to report of it. Python errors
 * count by their class; without a traceback the words decide.
 *
 * @param toRepo returns the path in the user's repository of a path inside the image, if it has one.
 */
export function diagnose(lines: readonly string[], toRepo: ToRepo = () => undefined): Diagnosis {
  const error = lastError(lines)
  if (!error) {
    const summary = lastWords(lines)
    return {
      lines: lines.slice(-shownLines),
      kind: kindOfLines(lines),
      ...(summary !== undefined && { summary }),
    }
  }
  const at = placeOf(error, toRepo)
  return {
    lines: linesToError(lines, error),
    kind: kindOf(error),
    summary: describeTraceback(error, toRepo),
    ...(at && { at }),
  }
}

/** How many lines of a log are shown. */
const shownLines = 30

/**
 * Returns the lines that lead to the error: a server that exits because of its worker's error logs its own
 * shutdown after it, which explains nothing.
 */
function linesToError(
  lines: readonly string[],
  { exception, message }: Traceback,
): readonly string[] {
  const name = exception.split('.').at(-1) ?? exception
  const start = oneLine(message).slice(0, 40)
  const last = lines.findLastIndex((line) => {
    const words = oneLine(plain(line))
    return words.includes(name) && words.includes(start)
  })
  return last < 0 ? lines.slice(-shownLines) : lines.slice(0, last + 1).slice(-shownLines)
}

/** Finds the file of the user's repository that a path inside the image came from. */
export type ToRepo = (file: string) => string | undefined

/** Errors in the code, its requirements or its environment: the next start fails again. */
const PERMANENT = new Set([
  'SyntaxError',
  'IndentationError',
  'TabError',
  'ImportError',
  'ModuleNotFoundError',
  'NameError',
  'UnboundLocalError',
  // Django: settings, apps and commands
  'ImproperlyConfigured',
  'AppRegistryNotReady',
  'SystemCheckError',
  // python-decouple: a variable that is missing
  'UndefinedValueError',
  // gunicorn, hypercorn: no application by that name
  'AppImportError',
  'NoAppError',
])

/** Errors of what does not answer (yet): a database, a broker, a name server. */
const TRANSIENT = new Set([
  'ConnectionError',
  'ConnectionRefusedError',
  'ConnectionResetError',
  'ConnectionAbortedError',
  'ConnectionTimeout',
  'TimeoutError',
  'BusyLoadingError',
  'gaierror',
  'ServerSelectionTimeoutError',
  'NoBrokersAvailable',
])

const NO_ANSWER =
  /connection refused|could not connect|can't connect|cannot connect|connection (timed out|reset)|timeout expired|could not translate host name|could not resolve|failed to resolve|name or service not known|name resolution|nodename nor servname|no address associated|no route to host|network is unreachable|server closed the connection|starting up|not yet accepting connections|\bECONNREFUSED\b|\bENOTFOUND\b|no such host/i

/** The server answers and refuses: waiting does not change that, but a person may. */
const ANSWERED_NO =
  /authentication failed|access denied|(role|database|user) "[^"]*" does not exist|no pg_hba/i

const PERMANENT_WORDS =
  /executable file not found|exec format error|can't open file '|: No module named |Unable to load celery application|Could not import (module|')|Error loading ASGI app|callable not found or import error|^module '.+' has no attribute '|Unknown command: /

function kindOf(error: Traceback): Diagnosis['kind'] {
  const name = error.exception.split('.').at(-1) ?? error.exception
  if (PERMANENT.has(name)) return 'permanent'
  if (PERMANENT_WORDS.test(error.message)) return 'permanent'
  if (ANSWERED_NO.test(error.message)) return 'unknown'
  // A missing table raises OperationalError too: only its message distinguishes them.
  if (TRANSIENT.has(name) || NO_ANSWER.test(error.message)) return 'transient'
  if ((name === 'AttributeError' || name === 'TypeError') && isAtImport(error)) return 'permanent'
  if (name === 'KeyError' && isOfEnvironment(error)) return 'permanent'
  return 'unknown'
}

/** Returns whether it was raised during an import, or at the top level of the user's own file. */
function isAtImport(error: Traceback): boolean {
  return (
    error.frames.some(({ file }) => file.startsWith('<frozen importlib')) ||
    ownFrame(error)?.function === '<module>'
  )
}

/** Returns whether `os.environ['X']` raised it: in Python's own os.py, which is frozen since 3.12. */
function isOfEnvironment({ frames }: Traceback): boolean {
  const last = frames.at(-1)
  return last?.function === '__getitem__' && /^<frozen os>$|(^|\/)os\.py$/.test(last.file)
}

function placeOf(error: Traceback, toRepo: ToRepo): Diagnosis['at'] {
  const own = ownFrame(error)
  const file = own && toRepo(own.file)
  return own && file !== undefined ? { file, line: own.line } : undefined
}

/** Returns the kind of the crash, from the last line backwards: the container may have recovered from an earlier error. */
function kindOfLines(lines: readonly string[]): Diagnosis['kind'] {
  for (const line of lines.slice(-20).reverse()) {
    if (PERMANENT_WORDS.test(line)) return 'permanent'
    if (ANSWERED_NO.test(line)) return 'unknown'
    if (NO_ANSWER.test(line)) return 'transient'
  }
  return 'unknown'
}

/** Returns the last line that names an error; else the last line with words. */
function lastWords(lines: readonly string[]): string | undefined {
  const words = lines.map((line) => oneLine(plain(line))).filter((line) => /\p{L}{2}/u.test(line))
  const named = words
    .slice(-10)
    .findLast((line) =>
      /error|exception|fatal|fail|cannot|can't|could not|unable|refused|denied|not found|no such|invalid|missing|killed/i.test(
        line,
      ),
    )
  return named ?? words.at(-1)
}
