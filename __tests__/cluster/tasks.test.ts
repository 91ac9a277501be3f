/** A version with a new Celery task goes live without a lost message: its workers come before its web. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Site, type Changes } from '../e2e/site.js'
import { whileAsking } from '../e2e/client.js'
import { kubectl } from '../e2e/stack.js'
import { seldom } from '../support/seldom.js'

let shop: Site

const redis = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: redis
spec:
  selector: { matchLabels: { app: redis } }
  template:
    metadata: { labels: { app: redis } }
    spec:
      containers:
        - name: redis
          image: redis:8
          command: [redis-server, --save, '', --appendonly, 'no', --protected-mode, 'no']
          readinessProbe: { exec: { command: [redis-cli, ping] }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata:
  name: redis
spec:
  selector: { app: redis }
  ports: [{ port: 6379 }]
`

const celery = `import os

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop", broker="redis://redis:6379/0")
app.conf.task_ignore_result = True
app.autodiscover_tasks(["orders"])


@worker_ready.connect
def ready(**_):
    open("/tmp/ready", "w").close()
`

/** Each request sends a message, and each task that is run is counted. */
const tasks = (name: string): Changes => ({
  'orders/tasks.py': `from celery import shared_task
from redis import Redis

counts = Redis("redis", db=1)


@shared_task
def mail(order=0):
    counts.incr("run")
${name === 'mail' ? '' : `\n\n@shared_task\ndef ${name}(order=0):\n    counts.incr("run")\n`}`,
  'shop/views.py': (old) =>
    old
      .replace('from django.conf', 'from orders import tasks\nfrom django.conf')
      .replace(
        / +(tasks\.counts.*\n.*\n.*\n +)?return JsonResponse\(\{"version"/,
        `    tasks.counts.incr("sent")\n    # The same in each version but for the name.\n    tasks.${name}.delay()\n    return JsonResponse({"version"`,
      ),
})

const count = async (key: string) =>
  Number(await kubectl('-n', shop.namespace, 'exec', 'deploy/redis', '--', 'redis-cli', '-n', '1', 'get', key))

beforeAll(async () => {
  shop = await Site.make('tasks')
  await shop.commit('Celery', {
    'requirements.txt': (old) => `${old}celery[redis]\n`,
    'shop/celery.py': celery,
    'shop/__init__.py': 'from .celery import app\n',
    'k8s/redis.yaml': redis,
    'k8s/worker.yaml': (old) =>
      old
        .replace('    spec:\n      securityContext', '    spec:\n      terminationGracePeriodSeconds: 60\n      securityContext')
        .replace('[python, manage.py, process_orders]', '[celery, -A, shop, worker, --pool, solo]')
        .replace(
          '          envFrom:',
          '          readinessProbe: { exec: { command: [test, -e, /tmp/ready] }, periodSeconds: 1 }\n          envFrom:',
        ),
    ...tasks('mail'),
  })
  expect(await shop.release({ bake: '0' })).toMatchObject({ report: { result: 'deployed' } })
})

afterAll(() => shop.remove())

test('every message is run, though the old workers do not know the new task', async () => {
  await shop.commit('A receipt', tasks('receipt'))
  const { result, asked } = await whileAsking(await shop.url(), () =>
    shop.release({ bake: '0', version: '2' }),
  )
  expect(result).toMatchObject({ code: 0, report: { result: 'deployed' } })
  expect(result.stdout).toMatch(
    /workers first: version \w{7,12} does not know the task orders\.tasks\.receipt; the web follows when all workers are new/,
  )
  expect(asked).toMatchObject({ failures: [], versions: ['dev', '2'] })
  const sent = await count('sent')
  expect(sent).toBeGreaterThanOrEqual(asked.count)
  while ((await count('run')) < sent) expect(await count('run')).toBeLessThanOrEqual(sent)
})

seldom('a task with a new name is a warning: neither order keeps all messages', async () => {
  await shop.commit('An invoice', tasks('invoice'))
  expect(await shop.release({ bake: '0' })).toMatchObject({
    code: 0,
    report: {
      result: 'deployed',
      warnings: [
        expect.stringMatching(
          /^messages to the workers may be lost during the rollout: version \w+ does not know the task orders\.tasks\.invoice, and this version does not know the task orders\.tasks\.receipt; keep the old tasks for one more release$/,
        ),
      ],
    },
  })
})
