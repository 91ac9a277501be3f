/** Changes of models that no migration has: what asks Django for them, and how its answer is read. Pure. */
import { managementIn, usual, type Management } from './inspector-command.js'
import { isRecord, isText, listOf, textOf } from './json.js'

/** The changes of one app. */
export interface ModelChanges {
  readonly app: string
  /** In Django's words: `Add field note to order`. */
  readonly changes: readonly string[]
  /** The file of the migration that `makemigrations` would write. */
  readonly migration: string
  /** The first changed model that is still there. */
  readonly file?: string
  readonly line?: number
}

/** What every line for us begins with. */
const mark = 'django-rollout-models '

/**
 * What `makemigrations --check --dry-run` compares, without the database that it connects to, without its questions,
 * and with the places of the models. Some versions of Django run it inside a function, where inner scopes do not see its
 * names.
 */
const source = `
import inspect, json
from django.apps import apps
from django.core.management import get_commands, load_command_class
from django.core.management.commands import makemigrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
command = get_commands()["makemigrations"]
if isinstance(command, str):
    command = load_command_class(command, "makemigrations")
detector = getattr(command, "autodetector", None) or makemigrations.MigrationAutodetector
loader = MigrationLoader(None, ignore_no_migrations=True)
questioner = MigrationQuestioner(dry_run=True)
changes = detector(loader.project_state(), ProjectState.from_apps(apps), questioner).changes(graph=loader.graph)
for app, migrations in changes.items():
    found = {"app": app, "changes": [], "migration": MigrationWriter(migrations[0]).path}
    for migration in migrations:
        for operation in migration.operations:
            found["changes"].append(operation.describe()[:150])
            try:
                model = apps.get_model(app, getattr(operation, "model_name", None) or operation.name)
                place = {"file": inspect.getsourcefile(model), "line": inspect.findsource(model)[1] + 1}
                found = dict(place, **found)
            except (AttributeError, LookupError, OSError, TypeError):
                pass
    # A longer line would be cut.
    found["changes"] = found["changes"][:200]
    print("\\n${mark}" + json.dumps(found))
print("\\n${mark}" + json.dumps("end"))
`

/** How these commands call `manage.py`: with the settings of the tests, as far as they name them. */
export function managementOf(testCommand: string, migrateCommand: string): Management {
  return managementIn(testCommand, /test\b/) ?? managementIn(migrateCommand) ?? usual
}

/** The argument list that compares the models with the migrations. */
export function compareCommand({ before, manage, settings }: Management): readonly string[] {
  const script = [...before, `${manage} "$@"`].join(' && ')
  return ['/bin/sh', '-c', script, 'sh', 'shell', '-v', '0', ...settings, '-c', source]
}

/** Returns the apps with changes; `undefined` where Django has not come to the end. */
export function readModelChanges(lines: readonly string[]): readonly ModelChanges[] | undefined {
  const read = lines.flatMap((line) => (line.startsWith(mark) ? [line.slice(mark.length)] : []))
  if (read.pop() !== '"end"') return undefined
  return listOf(read.map(parsed), changesOf)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function changesOf(json: unknown): ModelChanges | undefined {
  if (!isRecord(json)) return undefined
  const { app, changes, migration, file, line } = json
  const words = listOf(changes, textOf)
  if (!isText(app) || !words || !isText(migration)) return undefined
  const place = isText(file) && typeof line === 'number' ? { file, line } : {}
  return { app, changes: words, migration, ...place }
}
