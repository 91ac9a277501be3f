/** What to do about a symptom, by the words of the cluster or the program. */
import type { FailureReason } from '../options/failure-reasons.js'
import type { SymptomDetails } from './rules.js'
import { oneLine } from './words.js'

/** `$1` in the hint is what the first group of `words` matches. */
type Row = readonly [words: RegExp, hint: string]
type Hint = (details: SymptomDetails) => string

/** Returns the hint of the first row that matches the symptom's message. */
const by =
  (rows: readonly Row[], otherwise: string): Hint =>
  ({ symptom }) =>
    first(rows, symptom.message) ?? otherwise

function first(rows: readonly Row[], message: string): string | undefined {
  return all(rows, message)[0]
}

function all(rows: readonly Row[], message: string): readonly string[] {
  return rows.flatMap(([words, hint]) => {
    const match = words.exec(message)
    return match ? [hint.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? '')] : []
  })
}

export const ofImage: Hint = (details) => {
  const secrets = details.symptom.pullSecrets ?? []
  const denied =
    secrets.length === 0
      ? 'The registry denies access, and the pod has no pull secret: create one (kubectl create secret docker-registry) and add it to imagePullSecrets of the pod or its ServiceAccount'
      : `The registry denies access to the pod's pull secret (${secrets.join(', ')}): check that it exists, is for this registry, is still valid, and may read the repository`
  return by(
    [
      [/parse|InvalidImageName/, 'The image name is malformed: correct the name or the tag'],
      [
        /policy of Never/,
        'The container has `imagePullPolicy: Never`, and the node does not have the image: set `imagePullPolicy: IfNotPresent`',
      ],
      [
        /no match(ing manifest)? for/,
        "The image was not built for the node's architecture: add that platform to the build",
      ],
      [/unauthorized|authoriz|authentic|denied|no basic auth|scope|\b40[13]\b/i, denied],
    ],
    'Check that this tag was pushed, and that no registry cleanup removed it',
  )(details)
}

export const ofPull = by(
  [
    [
      /too ?many ?requests|\b429\b/i,
      'The registry limits the rate of requests: authenticate the nodes with a pull secret, or run again later',
    ],
    [
      /x509|certificate/,
      "The nodes do not trust the registry's certificate: add its CA to their container runtime",
    ],
    [
      /HTTP response to HTTPS/,
      'The registry serves plain HTTP, and the nodes use HTTPS: configure it as insecure in their container runtime',
    ],
    [
      /no such host|server misbehaving/,
      "The nodes cannot resolve the registry's name: correct the name, or their DNS",
    ],
  ],
  'The registry failed to answer: check that the nodes can reach it, then run again',
)

export const ofStart = by(
  [
    [
      /executable file not found|no such file/i,
      'The command is not in the image: check `command` and `args` of the container, and the Dockerfile',
    ],
    [
      /permission denied/i,
      'The file is not executable: run git update-index --chmod=+x on it, or start it with its interpreter',
    ],
    [
      /exec format error/i,
      "The program was built for another architecture than the node's, or is a script without a `#!` line",
    ],
    [
      /runAsNonRoot|non-root|non-numeric/i,
      'The pod forbids root: set a numeric USER in the image, or `runAsUser` in the container',
    ],
    [/hook/i, "The container's lifecycle hook failed: run its command in the image by hand"],
    [
      /not a directory|mount/i,
      'A mount does not match: `subPath` and `mountPath` must both be files, or both be folders',
    ],
  ],
  'Check command, mounts and security context of the container',
)

export const ofConfig = by(
  [
    [
      /(configmap|secret) "([^"]+)" not found/i,
      'Create the $1 $2 in this namespace, or correct its name. Add it to "manifests" to deploy it with the release',
    ],
    [
      /find key (\S+) in (ConfigMap|Secret) (?:[^\s/]+\/)?(\S+)/,
      "Add the key $1 to the $2 $3, or correct its name in the container's `env`",
    ],
    [/non-existent \w+ key: (\S+)/, 'Add the key $1, or correct `items` of the volume'],
  ],
  'Create the ConfigMap, Secret or key in this namespace, or correct its name',
)

const owned = 'change the pod as the message says, or ask its owner'

export const ofRefusal = by(
  [
    [
      /violates PodSecurity "([^"]+)"/,
      "Set the named fields in the pod's securityContext, or use another level than $1 for the namespace",
    ],
    [
      /serviceaccount "([^"]+)" not found/i,
      'Create the ServiceAccount $1, or correct `serviceAccountName`',
    ],
    [
      /no PriorityClass with name (\S+)/,
      'Create the PriorityClass $1, or correct `priorityClassName`',
    ],
    [
      /(maximum|minimum) \S+ usage per/,
      "The namespace's LimitRange does not allow it: change the requests and limits of the container",
    ],
    [/ValidatingAdmissionPolicy '([^']+)'/, `The policy $1 refuses: ${owned}`],
    [/webhook "([^"]+)" denied/, `The webhook $1 refuses: ${owned}`],
    [/(Invalid|Required) value/, 'Correct the named field in the pod template'],
  ],
  'The message names what refused: admission, Pod Security, or a missing right',
)

export const ofWebhook = by(
  [
    [
      /webhook "([^"]+)"/,
      'Check that the service of the webhook $1 is running: no pod is created without it',
    ],
  ],
  'Check that the named webhook or controller is running',
)

export const ofQuota = by(
  [
    [
      /exceeded quota: ([^,]+), requested: (.+?), used:/,
      'The quota $1 has no room for $2: raise it, lower the request, or use `maxSurge: 0`',
    ],
    [
      /failed quota: ([^:]+): must specify (.+)/,
      'The quota $1 requires these `resources` in the container: $2',
    ],
  ],
  'Raise the ResourceQuota, lower the requests, or use `maxSurge: 0`',
)

const placing: readonly Row[] = [
  [/Insufficient ([\w/-]+(\.[\w/-]+)*)/, 'lower `requests` of $1, or add a node'],
  [
    /affinity\/selector/,
    'no node has the labels that `nodeSelector` or `nodeAffinity` requires: correct them, or label a node',
  ],
  [
    /untolerated taint \{?([^}]*)\}?/,
    'add a toleration of the taint $1 to the pod, or remove the taint from a node',
  ],
  [/free ports/, 'its `hostPort` is in use on each node: remove it, or use `maxSurge: 0`'],
  [
    /anti-affinity/,
    'its `podAntiAffinity` excludes all nodes: use preferred instead of required, or `maxSurge: 0`',
  ],
  [
    /topology spread/,
    'its topology spread excludes all nodes: add one, or set `whenUnsatisfiable: ScheduleAnyway`',
  ],
  [/volume node affinity/, 'its volume is bound to another node or zone: free capacity there'],
  [/unbound immediate/, 'a claim of the pod has no volume: kubectl describe pvc'],
  [/Too many pods/, 'the nodes have reached their maximum of pods: add one'],
  [/were unschedulable/, 'a node is cordoned: kubectl uncordon'],
]

/** Joins the hints of all rows that match: each node may refuse for another reason. */
export const ofPlace =
  (otherwise: string, rows = placing): Hint =>
  ({ symptom }) => {
    const hints = all(rows, symptom.message).join('; ')
    return hints === '' ? otherwise : hints.charAt(0).toUpperCase() + hints.slice(1)
  }

/** A Job that is made of the web's template requests what the web does, unless an option says less. */
const lower = 'lower it with "migrate-resources"'
const placingOfJob = placing.map(([words, hint]): Row => [
  words,
  hint.replace('lower `requests` of $1', 'lower `requests` of $1 with "migrate-resources"'),
])
export const ofJob: Partial<Record<FailureReason, Hint>> = {
  Quota: by(
    [
      [
        /exceeded quota: ([^,]+), requested: ([^:]*(cpu|memory|storage).*?), used:/,
        `The quota $1 has no room for $2: ${lower}, or raise the quota`,
      ],
      [
        /exceeded quota: ([^,]+), requested: (.+?), used:/,
        'The quota $1 has no room for $2: raise it',
      ],
      [
        /failed quota: ([^:]+): must specify (.+)/,
        'The quota $1 requires these `resources`, which "migrate-resources" can give: $2',
      ],
    ],
    `The quota has no room: ${lower}, or raise the quota`,
  ),
  NoScaleUp: ofPlace('Loosen the placement rules, or let the node group grow', placingOfJob),
  Unschedulable: ofPlace('Loosen the placement rules, or add a node', placingOfJob),
}

export const ofVolume = by(
  [
    [
      /persistentvolumeclaim "([^"]+)" not found/,
      'Create the claim $1 in this namespace, or correct its name in `volumes`',
    ],
    [
      /hostPath type check/,
      'The path of the hostPath does not exist on the node, or has another type',
    ],
    [/CSI driver/i, "The volume's CSI driver does not run on the node: check its pods"],
  ],
  'Check the claim and its storage class',
)

const probing: readonly Row[] = [
  [
    /^readiness gate (\S+)/,
    'A controller must set the condition $1 (usually that of a load balancer): check why it does not',
  ],
  [
    /Get "https:/,
    'The probe used https: remove `scheme: HTTPS` where plain HTTP is served, and exempt its path from SECURE_SSL_REDIRECT (SECURE_REDIRECT_EXEMPT)',
  ],
  [
    /statuscode: 404/,
    'The new version has no page for $target: correct the path of the probe, or add the URL again',
  ],
  [
    /statuscode: 400/,
    "Django answers 400 to a Host that is not in ALLOWED_HOSTS, and the probe uses the pod's address: add a `Host` to its `httpHeaders`",
  ],
  [/statuscode: 40[13]/, 'Allow $target without a login'],
  [
    /statuscode: 5/,
    'The application answers with an error: check its log, and what $target checks',
  ],
  [
    /connection refused/,
    'Nothing answers $target: check that the server listens on that port, and on 0.0.0.0 instead of 127.0.0.1. If it needs longer to start, $longer',
  ],
  [
    /deadline exceeded|time[d]? ?out/i,
    "No answer within the probe's `timeoutSeconds`: check what is slow in $target, or raise it",
  ],
  [/EOF|reset by peer|malformed/, 'The server closed the connection: check that it speaks HTTP'],
  [/executable file not found|no such file/i, "The probe's command is not in the image: $target"],
]

/** @param words the probe's answer. @param probeTarget what the probe requests, if that is known. */
function ofProbe(words: string, probeTarget = "the probe's request"): string {
  const longer = words.startsWith('Startup')
    ? 'raise `failureThreshold` of its startupProbe'
    : words.startsWith('Liveness')
      ? 'add a startupProbe'
      : 'set "grace: NotReady=180s" or a startupProbe'
  const hint =
    first(probing, words) ?? 'Check why $target fails. If it needs longer to start, $longer'
  return hint.replace('$target', () => probeTarget).replace('$longer', longer)
}

export const ofUnready: Hint = ({ symptom }) => ofProbe(symptom.message, symptom.probeTarget)

/** By the summary of the log, with the kind of the crash before it: not each KeyError is a missing setting. */
const ending: readonly Row[] = [
  [
    /^\w+ (ModuleNotFound|Import)Error/,
    'The module is not in the image: add it to the requirements, commit the file, or remove it from .dockerignore',
  ],
  [
    /^permanent (AppImportError|NoAppError|RuntimeError: Could not import '|ERROR: Error loading ASGI app|unable to load app |AttributeError: module '[\w.]+[aw]sgi' has no attribute )/,
    'The server finds no application by that name: correct its argument (module:variable), or the variable in that module',
  ],
  [
    /^permanent (ImproperlyConfigured|UndefinedValueError|KeyError)/,
    'Add the named variable to the container (ConfigMap, Secret, `env`), or give the setting a default',
  ],
  [
    /^\w+ (Syntax|Indentation|Tab)Error/,
    "Correct the line. If it is valid, the image's Python is too old for it",
  ],
  [
    /^\w+ SystemCheckError/,
    'Fix the named problem: `manage.py check` shows it on your machine too',
  ],
  [
    /(authentication failed|access denied)/i,
    'The server rejects the login: check user and password in the Secret',
  ],
  [
    /(role|database|user) "[^"]*" does not exist/i,
    "The server has no such $1: check its name, and the server's address",
  ],
  [
    /relation .* does not exist|no such (table|column)|unknown column/i,
    'The database lacks a table or column that the code uses: is a migration missing?',
  ],
  [
    /permission denied|read-only file system/i,
    "The container's user has no permission: mount an emptyDir to write to, or change the owner in the Dockerfile",
  ],
  [/address already in use/i, 'Two processes of the pod use the same port: change one of them'],
]

export const ofEnd: Hint = ({ symptom, diagnosis }) => {
  const { code, probe } = symptom.exit ?? {}
  if (probe !== undefined) return ofProbe(probe, symptom.probeTarget)
  if (code === 126 || code === 127) {
    return 'The command is not in the image, or is not executable: check `command` and the entrypoint'
  }
  const hint = first(ending, `${diagnosis?.kind ?? ''} ${oneLine(diagnosis?.summary ?? '')}`)
  if (hint !== undefined) return hint
  if (diagnosis?.kind === 'transient') {
    return 'A service that the application needs did not answer: check its address, and that it is running'
  }
  if (diagnosis?.kind === 'permanent') {
    return 'Retrying cannot help: fix the code, its requirements or its environment'
  }
  if (code === 0) return 'A container ends with its command: run the server in the foreground'
  if (code === 137)
    return 'The process was killed from outside: check the memory of its node, and its events'
  if (code === 139) return 'A native library crashed: check which of them the new version changed'
  const lines = diagnosis?.lines ?? []
  return lines.length > 0
    ? 'The last log lines show the reason: fix it, or run the same command in the image on your machine'
    : 'The process logged nothing: set PYTHONUNBUFFERED=1, so that no line is lost, and run the same command in the image on your machine'
}
