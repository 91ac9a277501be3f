/** What a person is told to do, by the words of the cluster or the program. */
import { expect, test } from '@jest/globals'
import { failureReasons, type FailureReason } from '../../src/options/failure-reasons.js'
import { diagnose } from '../../src/judge/diagnose.js'
import { RULES } from '../../src/judge/rules.js'
import type { Symptom } from '../../src/judge/symptoms.js'

/** The hint for a sign; `log` is what its container has written. */
function hintOf(
  reason: FailureReason,
  message: string,
  symptom: Partial<Symptom> = {},
  log?: string,
): string {
  return RULES[reason].hint({
    who: 'web',
    symptom: { reason, key: 'uid', message, ...symptom },
    ...(log !== undefined && { diagnosis: diagnose(log === '' ? [] : log.split('\n')) }),
  })
}

test.each(failureReasons)('each %s has a hint', (reason) => {
  expect(hintOf(reason, 'no words that mean anything')).toMatch(/^[A-Z].{20,}[^.]$/)
})

test.each<[FailureReason, string, string | RegExp]>([
  ['ImageNotFound', 'ghcr.io/acme/shop:1: not found', /^Check that this tag was pushed/],
  ['ImageNotFound', 'InvalidImageName', /malformed/],
  ['ImageNotFound', 'couldn\'t parse image name "Shop": invalid reference format', /malformed/],
  [
    'ImageNotFound',
    'Container image "shop:1" is not present with pull policy of Never',
    /imagePullPolicy: Never/,
  ],
  ['ImageNotFound', 'no match for platform in manifest: not found', /architecture/],
  ['ImagePull', '429 Too Many Requests', /limits the rate of requests/],
  ['ImagePull', 'tls: failed to verify certificate: x509: unknown authority', /trust/],
  ['ImagePull', 'http: server gave HTTP response to HTTPS client', /plain HTTP/],
  ['ImagePull', 'dial tcp: lookup ghcr.io: no such host', /DNS/],
  ['ImagePull', '503 Service Unavailable', /that the nodes can reach it/],
  ['CannotStart', 'exec: "gunicron": executable file not found in $PATH', /Dockerfile/],
  ['CannotStart', 'exec: "./start.sh": permission denied', /--chmod=\+x/],
  ['CannotStart', 'exec /app/start: exec format error', /architecture/],
  ['CannotStart', 'container has runAsNonRoot and image will run as root', /USER/],
  ['CannotStart', 'Exec lifecycle hook ([./warm]) for Container "web" failed', /hook/],
  ['CannotStart', 'error mounting "/var/x" to rootfs at "/app": not a directory', /subPath/],
  ['ConfigMissing', 'configmap "env" not found', /^Create the configmap env in this namespace/],
  ['ConfigMissing', 'secret "keys" not found', /^Create the secret keys/],
  [
    'ConfigMissing',
    "couldn't find key stripe in Secret shop/keys",
    /^Add the key stripe to the Secret keys, /,
  ],
  ['ConfigMissing', 'references non-existent config key: app.ini', /^Add the key app.ini,/],
  [
    'PodRefused',
    'pods "web-x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
    /securityContext.*restricted:latest/,
  ],
  [
    'PodRefused',
    'error looking up service account shop/robot: serviceaccount "robot" not found',
    /^Create the ServiceAccount robot/,
  ],
  ['PodRefused', 'no PriorityClass with name high was found', /^Create the PriorityClass high/],
  ['PodRefused', 'maximum cpu usage per Container is 1, but limit is 2', /LimitRange/],
  [
    'PodRefused',
    "ValidatingAdmissionPolicy 'signed' with binding 'all' denied request: images have to be signed",
    /^The policy signed refuses/,
  ],
  ['PodRefused', 'admission webhook "policy.example" denied the request', /policy\.example/],
  ['PodRefused', 'Pod "web-x" is invalid: spec.hostname: Invalid value: "_"', /field/],
  ['PodNotCreated', 'failed calling webhook "mesh.example": timeout', /mesh\.example/],
  [
    'Quota',
    'pods "web-x" is forbidden: exceeded quota: small, requested: requests.memory=1Gi, used: requests.memory=0, limited: requests.memory=100Mi',
    /^The quota small has no room for requests.memory=1Gi: raise it/,
  ],
  [
    'Quota',
    'failed quota: small: must specify limits.cpu for: web',
    /^The quota small requires these `resources` in the container: limits.cpu for: web/,
  ],
  ['Unschedulable', '0/3 nodes are available: 3 Insufficient cpu.', /^Lower `requests` of cpu, or/],
  ['Unschedulable', '3 Insufficient nvidia.com/gpu. preemption: …', /of nvidia.com\/gpu, or/],
  [
    'Unschedulable',
    "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 2 node(s) didn't match Pod's node affinity/selector.",
    /^No node has the labels .*; add a toleration of the taint dedicated: db to the pod/,
  ],
  ['Unschedulable', "1 node(s) didn't have free ports for the requested pod ports", /maxSurge: 0/],
  ['Unschedulable', "1 node(s) didn't match pod anti-affinity rules", /podAntiAffinity/],
  ['Unschedulable', "1 node(s) didn't match pod topology spread constraints", /ScheduleAnyway/],
  ['Unschedulable', '1 node(s) had volume node affinity conflict', /another node or zone/],
  ['Volume', 'persistentvolumeclaim "media" not found. no new claims', /^Create the claim media/],
  ['Volume', 'hostPath type check failed: /data is not a directory', /hostPath/],
  ['Volume', 'driver name efs not found in the list of registered CSI drivers', /driver/],
  ['Unschedulable', 'pod has unbound immediate PersistentVolumeClaims', /kubectl describe pvc/],
  [
    'NoScaleUp',
    "3 Insufficient memory. pod didn't trigger scale-up",
    /^Lower `requests` of memory/,
  ],
])('the hint for %s fits "%s"', (reason, message, hint) => {
  expect(hintOf(reason, message)).toMatch(hint)
})

test.each<[readonly string[], string, RegExp]>([
  [[], 'unauthorized', /has no pull secret: create one/],
  [['regcred'], 'pull access denied', /pull secret \(regcred\): check that it exists/],
  [['a', 'b'], 'unexpected status: 403 Forbidden', /\(a, b\)/],
  [['regcred'], 'failed to authorize: no basic auth credentials', /\(regcred\)/],
  [['regcred'], 'not found', /^Check that this tag was pushed/],
])(
  'the hint for a refused pull with the pull secrets %j fits "%s"',
  (pullSecrets, message, hint) => {
    expect(hintOf('ImageNotFound', message, { pullSecrets })).toMatch(hint)
  },
)

const probeTarget = 'GET /healthz on port 8000'

test.each<[string, RegExp]>([
  ['HTTP probe failed with statuscode: 404', /has no page for GET \/healthz on port 8000/],
  ['HTTP probe failed with statuscode: 400', /ALLOWED_HOSTS.*httpHeaders/],
  ['HTTP probe failed with statuscode: 403', /without a login/],
  ['HTTP probe failed with statuscode: 503', /check its log, and what GET \/healthz .* checks/],
  [
    'Get "http://10.1.2.3:8000/healthz": dial tcp 10.1.2.3:8000: connect: connection refused',
    /^Nothing answers GET .* 0\.0\.0\.0 instead of 127\.0\.0\.1\. .*"grace: NotReady=180s" or a startupProbe/,
  ],
  [
    'Get "http://10.1.2.3:8000/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    /`timeoutSeconds`: check what is slow in GET \/healthz/,
  ],
  ['dial tcp 10.1.2.3:5432: i/o timeout', /`timeoutSeconds`/],
  ['command timed out: "sleep 9" timed out after 1s', /`timeoutSeconds`/],
  [
    'Get "https://10.1.2.3:8000/healthz": http: server gave HTTP response to HTTPS client',
    /SECURE_SSL_REDIRECT/,
  ],
  ['Get "http://10.1.2.3:8000/healthz": EOF', /closed the connection/],
  ['sh: 1: ./ready.sh: No such file or directory', /not in the image: GET/],
  [
    'the queue is not there',
    /Check why GET \/healthz on port 8000 fails\. .*"grace: NotReady=180s"/,
  ],
])('the hint for a failed probe fits "%s"', (answer, hint) => {
  expect(hintOf('NotReady', `Readiness probe failed: ${answer}`, { probeTarget })).toMatch(hint)
})

test.each<[FailureReason, string, RegExp]>([
  ['NotReady', 'Startup probe failed: connection refused', /raise `failureThreshold`/],
  ['NotReady', 'container web is not ready', /^Check why the probe's request fails/],
  ['NotReady', 'readiness gate lb/healthy is not met', /condition lb\/healthy/],
])('the hint for %s fits "%s"', (reason, message, hint) => {
  expect(hintOf(reason, message)).toMatch(hint)
})

const raised = (error: string) =>
  `Traceback (most recent call last):\n  File "/app/shop/a.py", line 1, in <module>\n    x\n${error}`

test.each<[number, string, RegExp]>([
  [1, raised("ModuleNotFoundError: No module named 'stripe'"), /requirements/],
  [1, raised('django.core.exceptions.ImproperlyConfigured: Set SECRET_KEY'), /ConfigMap, Secret/],
  [
    1,
    'Traceback (most recent call last):\n  File "/app/a.py", line 1, in <module>\n  File "<frozen os>", line 685, in __getitem__\nKeyError: \'SECRET_KEY\'',
    /ConfigMap, Secret/,
  ],
  [1, raised("KeyError: 'order'"), /^The last log lines/],
  [1, raised('SyntaxError: invalid syntax'), /Python is too old/],
  [1, 'SystemCheckError: System check identified some issues:', /manage\.py check/],
  [
    1,
    raised('django.db.utils.OperationalError: password authentication failed for user "shop"'),
    /user and password/,
  ],
  [1, 'FATAL: database "shop" does not exist', /no such database/],
  [
    1,
    raised('django.db.utils.ProgrammingError: relation "orders_order" does not exist'),
    /is a migration missing/,
  ],
  [1, raised("PermissionError: [Errno 13] Permission denied: '/media'"), /emptyDir/],
  [1, 'OSError: [Errno 98] Address already in use', /same port/],
  [1, raised('redis.exceptions.ConnectionError: Connection refused'), /check its address/],
  [1, raised('NameError: x'), /fix the code/],
  [127, 'sh: gunicron: not found', /command/],
  [0, 'bye', /foreground/],
  [137, '', /killed from outside/],
  [139, '', /native/],
  [3, 'no licence', /^The last log lines show/],
  [3, '', /PYTHONUNBUFFERED/],
])(
  'the hint for a container that exited with %i fits its last words (case %#)',
  (code, log, hint) => {
    const exit = { code, number: 2, previous: true, loops: false, running: false, probed: false }
    expect(hintOf('Crash', `exited with ${code}`, { exit }, log)).toMatch(hint)
  },
)

test('the hint for a container that was killed names its probe', () => {
  const exit = { code: 137, number: 2, previous: true, loops: true, running: false, probed: true }
  const probe = 'Liveness probe failed: HTTP probe failed with statuscode: 500'
  const symptom = { exit: { ...exit, probe }, probeTarget }
  expect(hintOf('CrashAfterReady', 'exited', symptom)).toMatch(/what GET \/healthz/)
})
