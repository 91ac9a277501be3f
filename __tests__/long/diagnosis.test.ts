/** What a failed release tells of pods with several containers: the sentence, the logs, no noise, what to do. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pageOf, type Cause } from '../../src/failure/failure.js'
import { makeImages, type Images } from '../e2e/images.js'
import { Site } from '../e2e/site.js'
import { must, stack } from '../e2e/stack.js'

type Tag = 'good' | 'unready' | 'both' | 'away'

let site: Site
let images: Images<Tag>

beforeAll(async () => {
  site = await Site.make('diagnosis')
  const folder = join(dirname(site.folder), 'image')
  await mkdir(folder)
  await writeFile(join(folder, 'Dockerfile'), dockerfile)
  await writeFile(join(folder, 'run.py'), program)
  // A traceback is told by the repository's own file.
  await site.commit('The program', { 'run.py': program })
  const tags = ['good', 'unready', 'both', 'away'] as const
  images = await makeImages(
    'diagnosis',
    folder,
    Object.fromEntries(tags.map((tag) => [tag, [`VERSION=${tag}`]])) as Record<Tag, string[]>,
  )
  const inNamespace = ['-n', site.namespace]
  const how = { env: stack.env, input: deployment(images.pinned.good) }
  await must('kubectl', [...inNamespace, 'apply', '-f', '-'], how)
  const status = ['rollout', 'status', 'deployment/web', '--timeout=120s']
  await must('kubectl', [...inNamespace, ...status], { env: stack.env })
})

afterAll(() => site.remove())

/** The end of the log, from the cause to what to do. */
async function closingOf(tag: Tag, options: Readonly<Record<string, string>> = {}) {
  // The app has to listen when its time is over, on a busy machine too.
  const { report, output } = await site.cli('deploy', {
    image: images.repository,
    namespace: site.namespace,
    tag,
    'migrate-command': '',
    bake: '1s',
    grace: 'NotReady=15s',
    ...options,
  })
  expect({ result: report.result, output }).toMatchObject({ result: 'undone' })
  const { code = '', sentence = '' } = report.cause ?? {}
  const undo = report.stages.find(({ name }) => name === 'undo')
  console.log(
    `${tag}: undone ${(undo?.startedAt ?? 0) - (report.detectedAt ?? 0)} ms after the verdict`,
  )
  const lines = output.split('\n').filter((line) => line !== '')
  expect(lines.at(-2)).toBe(pageOf({ code } as Cause).replace(/^/, 'more: '))
  // How long the way back took is another matter.
  const finalLines = lines.slice(lines.lastIndexOf(`✗ ${sentence}`), -2)
  return { report, lines: finalLines.map((line) => line.replace(/, [\d.]+ s$/, '')) }
}

const raised = [
  '  │ Traceback (most recent call last):',
  '  │   File "/app/run.py", line 20, in do_GET',
  '  │     check()',
  '  │     ~~~~~^^',
  '  │   File "/app/run.py", line 12, in check',
  '  │     raise OSError("the cache is empty")',
  '  │ OSError: the cache is empty',
]

const unready = [
  '✗ web (container web): runs, but is not Ready: Readiness probe failed: HTTP probe failed with statuscode: 503; its log says: OSError: the cache is empty (run.py:12)',
  'last lines of container web:',
  '  │ web starts',
  ...raised,
]

const back = [
  'deployment/web: good (as before)',
  'hint: The application answers with an error: check its log, and what GET /healthz on port 8000 checks',
]

describe('the cause for a pod that does not become Ready', () => {
  test('has the response of the probe and the error in the log, and no log of a healthy sidecar', async () => {
    const { report, lines } = await closingOf('unready')
    expect(lines).toEqual([...unready, ...back])
    expect(report.cause?.annotations).toMatchObject([{ file: 'run.py', line: 12 }])
  })

  test('has the logs of two unready containers, each under its name', async () => {
    const { lines } = await closingOf('both')
    const proxy = ['last lines of container proxy:', '  │ proxy starts', ...raised]
    expect(lines).toEqual([...unready, ...proxy, ...back])
  })

  test('has a hint when no process listens on the port', async () => {
    const { lines } = await closingOf('away')
    expect(lines).toEqual([
      expect.stringMatching(/^✗ web \(container web\): .*:8000: connect: connection refused$/),
      'last lines of container web:',
      '  │ web starts',
      'deployment/web: good (as before)',
      expect.stringMatching(/^hint: Nothing answers GET \/healthz on port 8000: .*0\.0\.0\.0/),
    ])
  })
})

test('the cause has the warning of the cluster when a pull secret is missing', async () => {
  const file = join(dirname(site.folder), 'release.yaml')
  const beside = `${images.repository}-beside:1`
  await writeFile(
    file,
    deployment('shop').replace(
      'containers:',
      `imagePullSecrets: [{name: regcred}]\n      containers:${container('beside', beside, 8002)}`,
    ),
  )
  const { report, lines } = await closingOf('good', { manifests: file })
  expect(report.cause?.code).toBe('image-not-found')
  expect(lines[0]).toMatch(
    /^✗ web \(container beside\): image \S+-beside:1 cannot be pulled: .*not found$/,
  )
  const told = lines.indexOf('cluster events:')
  expect(lines.slice(told + 1, told + 3)).toEqual([
    expect.stringMatching(/^ {2}│ FailedToRetrieveImagePullSecret( \(\d+ times\))?: .*\(regcred\)/),
    'deployment/web: good (as before)',
  ])
})

const dockerfile = `FROM python:3.13-slim
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY run.py .
ARG VERSION
ENV VERSION=$VERSION
`

const program = `import os, signal, sys, traceback
from http.server import BaseHTTPRequestHandler, HTTPServer

role, port = sys.argv[1], int(sys.argv[2])
version = os.environ["VERSION"]
unready = (role == "web" and version != "good") or version == "both"
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def check():
    if unready:
        raise OSError("the cache is empty")


class Handler(BaseHTTPRequestHandler):
    told = False

    def do_GET(self):
        try:
            check()
            self.send_response(200)
        except OSError:
            if not Handler.told:
                traceback.print_exc()
            Handler.told = True
            self.send_response(503)
        self.end_headers()

    def log_message(self, *_):
        pass


print(role, "starts")
if version == "away" and role == "web":
    signal.pause()
HTTPServer(("", port), Handler).serve_forever(0.1)
`

const container = (name: string, image: string, port: number) => `
        - name: ${name}
          image: '${image}'
          command: [python, run.py, ${name}, '${port}']
          ports: [{name: http-${name}, containerPort: ${port}}]
          readinessProbe: {httpGet: {path: /healthz, port: http-${name}}, periodSeconds: 1, timeoutSeconds: 10}`

const deployment = (image: string, beside = image) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:${container('web', image, 8000)}${container('proxy', beside, 8001)}
`
