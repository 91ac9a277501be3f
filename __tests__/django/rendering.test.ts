/** What of Django is changed while a plan is made. */
import { expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

// Each answer: whether what is related in turn waits (`delay`) for a new model, for a changed one, and afterwards.
const program = `
import sys, types
from rollout_inspector import rendering

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
    with rendering.new_models_alone():
        meanwhile = delays()
    return meanwhile + delays()
`
const versions = [
  { version: [2, 2], isAlone: false },
  { version: [3, 0], isAlone: false },
  { version: [3, 1], isAlone: true },
  { version: [6, 0], isAlone: true },
]
const answered = answersTo(
  program,
  versions.map(({ version }) => version),
)

test.each(versions)(
  'Django $version renders a new model alone, and a changed one as ever: $isAlone',
  ({ version, isAlone }) => {
    expect(answered(version)).toEqual([isAlone, false, false, false])
  },
)
