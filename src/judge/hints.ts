/** What to do about a symptom, by the words of the cluster or the program. */
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
      ? 'The registry does not give it to the pod, which brings no pull secret: make one (kubectl create secret docker-registry) and name it in imagePullSecrets of the pod or of its ServiceAccount'
      : `The registry does not give it to the pod's pull secret (${secrets.join(', ')}): see whether it exists, is of this registry, is still valid, and may read the repository`
  return by(
    [
      [/parse|InvalidImageName/, 'The name of the image is malformed: correct it, or the tag'],
      [
        /policy of Never/,
        'The container has `imagePullPolicy: Never`, and the node does not have the image: let it be pulled',
      ],
      [
        /no match(ing manifest)? for/,
        "The image was not built for the node's architecture: build it for that platform too",
      ],
      [/unauthorized|authoriz|authentic|denied|no basic auth|scope|\b40[13]\b/i, denied],
    ],
    'Check that this tag was pushed, and that no cleaning of the registry has removed it',
  )(details)
}

export const ofPull = by(
  [
    [
      /too ?many ?requests|\b429\b/i,
      'The registry limits how often it is asked: log the nodes in by a pull secret, or run again later',
    ],
    [
      /x509|certificate/,
      "The nodes do not trust the registry's certificate: give its CA to their container runtime",
    ],
    [
      /HTTP response to HTTPS/,
      'The registry speaks plain HTTP, and the nodes ask by HTTPS: tell their container runtime',
    ],
    [
      /no such host|server misbehaving/,
      "The nodes do not find the registry's name in DNS: correct the name, or their DNS",
    ],
  ],
  'The registry did not answer well: see whether the nodes can reach it, then run again',
)

export const ofStart = by(
  [
    [
      /executable file not found|no such file/i,
      'The command is not in the image: check `command` and `args` of the container, and the Dockerfile',
    ],
    [
      /permission denied/i,
      'The file may not be run: make it executable (git update-index --chmod=+x), or start it by its interpreter',
    ],
    [
      /exec format error/i,
      "It was built for another architecture than the node's, or is a script without a `#!` line",
    ],
    [
      /runAsNonRoot|non-root|non-numeric/i,
      'The pod forbids root: give the image a numeric USER, or the container `runAsUser`',
    ],
    [/hook/i, 'Its lifecycle hook failed: run what it runs in the image by hand'],
    [
      /not a directory|mount/i,
      'A mount does not fit: `subPath` and `mountPath` have to be both files, or both folders',
    ],
  ],
  'Check command, mounts and security context of the container',
)

export const ofConfig = by(
  [
    [
      /(configmap|secret) "([^"]+)" not found/i,
      'Create the $1 $2 in this namespace, or correct its name; with it in "manifests" it comes with the release',
    ],
    [
      /find key (\S+) in (ConfigMap|Secret) (?:[^\s/]+\/)?(\S+)/,
      "Put the key $1 into the $2 $3, or correct its name in the container's `env`",
    ],
    [/non-existent \w+ key: (\S+)/, 'Put the key $1 into it, or correct `items` of the volume'],
  ],
  'Create the ConfigMap, Secret or key in this namespace, or correct its name',
)

const owned = 'change the pod as its words say, or ask who owns it'

export const ofRefusal = by(
  [
    [
      /violates PodSecurity "([^"]+)"/,
      "Set what is named in the pod's securityContext, or give the namespace another level than $1",
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
      "The namespace's LimitRange does not allow it: change requests and limits of the container",
    ],
    [/ValidatingAdmissionPolicy '([^']+)'/, `The policy $1 refuses: ${owned}`],
    [/webhook "([^"]+)" denied/, `The webhook $1 refuses: ${owned}`],
    [/(Invalid|Required) value/, 'Correct the field that is named, in the pod template'],
  ],
  'The message names who refused: admission, Pod Security, or a right that is missing',
)

export const ofWebhook = by(
  [
    [
      /webhook "([^"]+)"/,
      'See whether what answers for the webhook $1 is up: no pod is made without it',
    ],
  ],
  'See whether the webhook or the controller that is named is up',
)

export const ofQuota = by(
  [
    [
      /exceeded quota: ([^,]+), requested: (.+?), used:/,
      'The quota $1 has no room for $2: raise it, lower the request, or roll out with `maxSurge: 0`',
    ],
    [
      /failed quota: ([^:]+): must specify (.+)/,
      'The quota $1 wants it said in `resources` of the container: $2',
    ],
  ],
  'Raise the ResourceQuota, lower requests, or roll out with `maxSurge: 0`',
)

const placing: readonly Row[] = [
  [/Insufficient ([\w/-]+(\.[\w/-]+)*)/, 'lower `requests` of $1, or add a node'],
  [
    /affinity\/selector/,
    'no node has the labels that `nodeSelector` or `nodeAffinity` wants: correct them, or label a node',
  ],
  [
    /untolerated taint \{?([^}]*)\}?/,
    'give the pod a toleration of the taint $1, or clear a node of it',
  ],
  [
    /free ports/,
    'its `hostPort` is taken on each node: leave it out, or roll out with `maxSurge: 0`',
  ],
  [
    /anti-affinity/,
    'its `podAntiAffinity` leaves no node: prefer instead of require, or roll out with `maxSurge: 0`',
  ],
  [
    /topology spread/,
    'its topology spread leaves no node: add one, or set `whenUnsatisfiable: ScheduleAnyway`',
  ],
  [/volume node affinity/, 'its volume is bound to another node or zone: free a place there'],
  [/unbound immediate/, 'a claim of it has no volume: kubectl describe pvc'],
  [/Too many pods/, 'the nodes take no more pods: add one'],
  [/were unschedulable/, 'a node is cordoned: kubectl uncordon'],
]

/** Joins the hints of all rows that match: each node may refuse for another reason. */
export const ofPlace =
  (otherwise: string): Hint =>
  ({ symptom }) => {
    const hints = all(placing, symptom.message).join('; ')
    return hints === '' ? otherwise : hints.charAt(0).toUpperCase() + hints.slice(1)
  }

export const ofVolume = by(
  [
    [
      /persistentvolumeclaim "([^"]+)" not found/,
      'Create the claim $1 in this namespace, or correct its name in `volumes`',
    ],
    [/hostPath type check/, 'What the hostPath names is not on the node, or is of another type'],
    [/CSI driver/i, 'The driver of the volume does not run on the node: see its pods'],
  ],
  'Look at the claim and its storage class',
)

const probing: readonly Row[] = [
  [
    /^readiness gate (\S+)/,
    'A controller has to set the condition $1 (that of a load balancer, mostly): see why it does not',
  ],
  [
    /Get "https:/,
    'It was asked by https: the probe must not say `scheme: HTTPS` where plain HTTP is served, and SECURE_SSL_REDIRECT must leave its path out (SECURE_REDIRECT_EXEMPT)',
  ],
  [
    /statuscode: 404/,
    'The new version has nothing at $target: correct the path of the probe, or bring its URL back',
  ],
  [
    /statuscode: 400/,
    'Django answers 400 to a Host that is not in ALLOWED_HOSTS, and the probe asks by the address of the pod: give it a `Host` in `httpHeaders`',
  ],
  [/statuscode: 40[13]/, 'Let $target be answered without a login'],
  [/statuscode: 5/, 'It answers, and is not well: see its log, and what $target looks at'],
  [
    /connection refused/,
    'Nothing answers $target: see whether it listens on that port, and on 0.0.0.0 instead of 127.0.0.1; when it needs longer to start, $longer',
  ],
  [
    /deadline exceeded|time[d]? ?out/i,
    "No answer within the probe's `timeoutSeconds`: see what is slow in $target, or raise it",
  ],
  [/EOF|reset by peer|malformed/, 'What listens there hangs up: see whether it speaks HTTP'],
  [/executable file not found|no such file/i, "The probe's command is not in the image: $target"],
]

/** @param words the probe's answer. @param probeTarget what the probe requests, if that is known. */
function ofProbe(words: string, probeTarget = 'what the probe asks for'): string {
  const longer = words.startsWith('Startup')
    ? 'raise `failureThreshold` of its startupProbe'
    : words.startsWith('Liveness')
      ? 'give it a startupProbe'
      : 'set "ready-timeout" or a startupProbe'
  const hint =
    first(probing, words) ?? 'See why $target fails; when it needs longer to start, $longer'
  return hint.replace('$target', () => probeTarget).replace('$longer', longer)
}

export const ofUnready: Hint = ({ symptom }) => ofProbe(symptom.message, symptom.probeTarget)

/** By the summary of the log, with the kind of the crash before it: not each KeyError is a missing setting. */
const ending: readonly Row[] = [
  [
    /^\w+ (ModuleNotFound|Import)Error/,
    'The image does not have it: add it to the requirements, commit the file, or take it out of .dockerignore',
  ],
  [
    /^permanent (ImproperlyConfigured|UndefinedValueError|KeyError)/,
    'Give the container what is named (ConfigMap, Secret, `env`), or give the setting a default',
  ],
  [
    /^\w+ (Syntax|Indentation|Tab)Error/,
    'Mend the line; where it is right, the image has too old a Python for it',
  ],
  [/^\w+ SystemCheckError/, 'Mend what is named: `manage.py check` shows it on your machine too'],
  [
    /(authentication failed|access denied)/i,
    'The server answers, and refuses: check user and password in the Secret',
  ],
  [/(role|database|user) "[^"]*" does not exist/i, 'The server has no such $1: check its address'],
  [
    /relation .* does not exist|no such (table|column)|unknown column/i,
    'The database does not have what the code asks for: is a migration missing?',
  ],
  [
    /permission denied|read-only file system/i,
    "The container's user may not do that: give it an emptyDir to write to, or change the owner in the Dockerfile",
  ],
  [/address already in use/i, 'Two processes of the pod want the same port: give one another'],
]

export const ofEnd: Hint = ({ symptom, diagnosis }) => {
  const { code, probe } = symptom.exit ?? {}
  if (probe !== undefined) return ofProbe(probe, symptom.probeTarget)
  if (code === 126 || code === 127) {
    return 'The command is not in the image or may not be run: check `command` and the entrypoint'
  }
  const hint = first(ending, `${diagnosis?.kind ?? ''} ${oneLine(diagnosis?.summary ?? '')}`)
  if (hint !== undefined) return hint
  if (diagnosis?.kind === 'transient') {
    return 'What it connects to did not answer: check its address, and that it is up'
  }
  if (diagnosis?.kind === 'permanent') {
    return 'It will not start like this: fix the code, its requirements or its environment'
  }
  if (code === 0) return 'A container ends with its command: it has to stay in the foreground'
  if (code === 137) return 'Somebody killed it: see the memory of its node, and its events'
  if (code === 139) return 'A library of native code crashed: see which the new version has changed'
  const lines = diagnosis?.lines ?? []
  return lines.length > 0
    ? 'Its last lines say why: mend that, or try the same command in the image on your machine'
    : 'It ended without a word: set PYTHONUNBUFFERED=1, so that none is lost, and try the same command in the image on your machine'
}
