/** What of Django is changed while a plan is made. */
import { expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

// Each answer: whether what is related in turn waits (`delay`) for a new model, for a changed one, and afterwards.
const program = `
import sys, types
from rollout_inspector import effects

class ProjectState:
    def add_model(self, model):
        self.reload_model("shop", model)
    def reload_model(self, app, name, delay=False):
        self.delay = delay

state = types.SimpleNamespace(ProjectState=ProjectState)
for name, module in {"django": types.ModuleType("django"), "django.db": None, "django.db.migrations": None, "django.db.migrations.state": state}.items():
    sys.modules[name] = module or types.ModuleType(name)

def delays():
    one, other = ProjectState(), ProjectState()
    one.add_model("new")
    other.add_model("new")
    other.reload_model("shop", "changed")
    return [one.delay, other.delay]

def answer(version):
    sys.modules["django"].VERSION = tuple(version)
    with effects.new_models_alone():
        meanwhile = delays()
    return meanwhile + delays()
`
const table: readonly (readonly [version: readonly number[], meanwhile: readonly boolean[]])[] = [
  [
    [2, 2],
    [false, false],
  ],
  [
    [3, 0],
    [false, false],
  ],
  [
    [3, 1],
    [true, false],
  ],
  [
    [6, 0],
    [true, false],
  ],
]
const answered = answersTo(
  program,
  table.map(([version]) => version),
)

test.each(table)(
  'Django %j renders a new model alone, and a changed one as ever: %j',
  (version, meanwhile) => {
    expect(answered(version)).toEqual([...meanwhile, false, false])
  },
)
