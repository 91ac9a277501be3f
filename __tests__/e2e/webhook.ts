/** A mutating admission webhook of a namespace: it makes another thing of what is written there. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { kubectl, must, stack } from './stack.js'

/** A change as JSON Patch has it. */
export interface Edit {
  readonly op: 'add' | 'replace'
  readonly path: string
  readonly value: unknown
}

interface Review {
  readonly request: { readonly uid: string; readonly object: unknown }
}

/** What a webhook gets to see. */
export interface Watched {
  readonly group: string
  readonly resources: readonly string[]
  readonly operations: readonly ('CREATE' | 'UPDATE')[]
}

const updatedDeployments: Watched = {
  group: 'apps',
  resources: ['deployments'],
  operations: ['UPDATE'],
}

/** `folder` takes its certificate; `edits` says what it makes of an object. Resolves with what removes it. */
export async function startWebhook(
  namespace: string,
  folder: string,
  edits: (object: unknown) => readonly Edit[],
  watched: readonly Watched[] = [updatedDeployments],
): Promise<() => Promise<void>> {
  const [key, cert] = ['webhook.key', 'webhook.crt'].map((name) => join(folder, name)) as [
    string,
    string,
  ]
  const subject = ['-subj', '/CN=webhook', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = [
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
  ]
  await must('openssl', ['req', ...made, ...subject])
  const server = createServer(
    { key: await readFile(key), cert: await readFile(cert) },
    (request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const { uid, object } = (JSON.parse(Buffer.concat(parts).toString()) as Review).request
        const patch = Buffer.from(JSON.stringify(edits(object))).toString('base64')
        const answer = { uid, allowed: true, patchType: 'JSONPatch', patch }
        response.setHeader('content-type', 'application/json')
        response.end(
          JSON.stringify({
            apiVersion: 'admission.k8s.io/v1',
            kind: 'AdmissionReview',
            response: answer,
          }),
        )
      })
    },
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: namespace },
    webhooks: [
      {
        name: 'stamps.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: {
          url: `https://127.0.0.1:${port}/`,
          caBundle: (await readFile(cert)).toString('base64'),
        },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        rules: watched.map(({ group, resources, operations }) => ({
          apiGroups: [group],
          apiVersions: ['v1'],
          resources,
          operations,
        })),
      },
    ],
  }
  const env = { env: stack.env, input: JSON.stringify(configuration) }
  await must('kubectl', ['apply', '-f', '-'], env)
  return async () => {
    await kubectl('delete', 'mutatingwebhookconfiguration', namespace, '--ignore-not-found')
    server.closeAllConnections()
    server.close()
  }
}
