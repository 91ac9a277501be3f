/** What in the cluster may still remedy a symptom: each row of evidence. */
import { describe, expect, test } from '@jest/globals'
import {
  factKey,
  withFact,
  type Fact,
  type NodeFacts,
  type Writers,
} from '../../src/judge/facts.js'
import { newObservations } from '../../src/judge/observations.js'
import { pictureOf } from './scene.js'
import { missingWords } from '../../src/judge/kubelet-messages.js'
import {
  comeMeanwhile,
  makerOf,
  nearby,
  nodeFor,
  roomBy,
  type MissingConfiguration,
  type Nearby,
} from '../../src/judge/remedies.js'

const plain = ['apps', 'batch', 'autoscaling', 'networking.k8s.io', 'rbac.authorization.k8s.io']
const read = <T>(value: T) => ({ is: 'read', value }) as const
const unreadable = { is: 'unreadable', why: 'Forbidden' } as const

const groups = (...more: readonly string[]): Fact => ({
  is: 'groups',
  names: read([...plain, ...more]),
})

function writers(kind: 'ConfigMap' | 'Secret', name: string, found: Partial<Writers>): Fact {
  const value = {
    exists: true,
    owners: [],
    managers: ['kubectl-client-side-apply'],
    annotations: [],
    ...found,
  }
  return { is: 'writers', kind, name, found: read(value) }
}

describe('a ConfigMap or Secret that is missing', () => {
  const missing = {
    is: 'object',
    kinds: ['Secret'],
    name: 'keys',
    reads: [
      { kind: 'Secret', name: 'keys' },
      { kind: 'Secret', name: 'db' },
      { kind: 'ConfigMap', name: 'env' },
      { kind: 'ConfigMap', name: 'kube-root-ca.crt' },
    ],
  } as const satisfies MissingConfiguration
  const absent = writers('Secret', 'keys', { exists: false, managers: [] })
  const refused = (name: string) =>
    ({ is: 'writers', kind: 'Secret', name, found: unreadable }) as const
  const db = (found: Partial<Writers> = {}) => writers('Secret', 'db', found)

  test.each<[string, readonly Fact[], string, RegExp]>([
    ['nothing creates any', [groups(), absent, db()], 'none', /^no controller .* creates Secrets$/],
    [
      'an add-on creates none',
      [
        groups(
          'metrics.k8s.io',
          'gateway.networking.k8s.io',
          'monitoring.coreos.com',
          'karpenter.k8s.aws',
          'networking.gke.io',
          'elbv2.k8s.aws',
        ),
        absent,
        db(),
      ],
      'none',
      /./,
    ],
    ['External Secrets', [groups('external-secrets.io')], 'some', /^External Secrets is installed/],
    ['Sealed Secrets', [groups('bitnami.com')], 'some', /^Sealed Secrets/],
    ['cert-manager', [groups('acme.cert-manager.io', 'cert-manager.io')], 'some', /^cert-manager/],
    ['the Secrets Store CSI driver', [groups('secrets-store.csi.x-k8s.io')], 'some', /CSI driver/],
    ['any other operator', [groups('shop.example.org')], 'some', /operator \(shop\.example\.org\)/],
    ['the service catalog', [groups('servicecatalog.k8s.io')], 'some', /servicecatalog/],
    [
      'its like has a controller',
      [groups(), absent, db({ owners: ['Vault'] })],
      'some',
      /^secret\/db was written by Vault/,
    ],
    [
      'its like was written by a controller',
      [groups(), absent, db({ managers: ['kubectl-create', 'reflector'] })],
      'some',
      /by reflector/,
    ],
    [
      'its like was copied',
      [groups(), absent, db({ annotations: ['replicator.v1.mittwald.de/replicated-at'] })],
      'some',
      /replicator/,
    ],
    [
      'it exists without the key, by a controller',
      [groups(), writers('Secret', 'keys', { managers: ['vault-sync'] }), db()],
      'some',
      /vault-sync/,
    ],
    [
      'its like was written by people',
      [
        groups(),
        absent,
        db({ managers: ['helm', 'kubectl-edit', 'Terraform', 'pulumi-kubernetes'] }),
      ],
      'none',
      /./,
    ],
    [
      'the API groups cannot be read',
      [{ is: 'groups', names: unreadable }],
      'unseen',
      /^\/apis cannot be read \(Forbidden\)/,
    ],
    [
      'its like cannot be read',
      [groups(), absent, refused('db')],
      'unseen',
      /^secret\/db cannot be read \(Forbidden\), so something .*; the right to get it would show that$/,
    ],
    [
      'neither it nor its like can be read: the kubelet may find what nobody else sees coming',
      [groups(), ...['keys', 'db'].map((name) => refused(name))],
      'unseen',
      /^secret\/keys and secret\/db cannot be read \(Forbidden\), so .*; the right to get them would show that$/,
    ],
    [
      'the server does not answer: no right would help',
      [groups(), { ...refused('keys'), found: { is: 'unreadable', why: 'timed out' } }, db()],
      'unseen',
      /^secret\/keys cannot be read \(timed out\), so something may still create it$/,
    ],
  ])('%s', (name, facts, is, because) => {
    const lacks = { ...missing, is: name.includes('without the key') ? 'key' : 'object' } as const
    expect(makerOf(lacks, facts)).toEqual({
      is,
      because: expect.stringMatching(because) as unknown,
    })
  })

  test('the groups are read first, then the writers of those of its kind, each once', () => {
    expect(makerOf(missing, [])).toEqual({ is: 'wanted', wanted: [{ is: 'groups' }] })
    expect(makerOf(missing, [groups(), absent])).toEqual({
      is: 'wanted',
      wanted: [{ is: 'writers', kind: 'Secret', name: 'db' }],
    })
  })

  const again = (found: Partial<Writers>): Fact => ({
    ...(writers('Secret', 'keys', found) as Extract<Fact, { is: 'writers' }>),
    again: true,
  })

  test.each<[string, readonly Fact[], object | undefined]>([
    [
      'it is read once more',
      [],
      { is: 'wanted', wanted: [{ is: 'writers', kind: 'Secret', name: 'keys', again: true }] },
    ],
    ['it has come', [again({})], { is: 'come', object: 'secret/keys' }],
    ['it has not come', [again({ exists: false })], undefined],
    [
      'it cannot be read',
      [{ is: 'writers', kind: 'Secret', name: 'keys', found: unreadable, again: true }],
      { is: 'unseen' },
    ],
  ])('when the time is up: %s', (_, facts, sought) => {
    const seen = comeMeanwhile(missing, facts)
    expect(seen && { ...seen }).toEqual(sought && expect.objectContaining(sought))
  })

  test('of many that the pod reads some are not looked at', () => {
    const names = Array.from({ length: 11 }, (_, i) => `s${i}`)
    const reads = names.map((name) => ({ kind: 'Secret', name }) as const)
    const facts = [groups(), ...names.slice(0, 10).map((name) => writers('Secret', name, {}))]
    expect(makerOf({ ...missing, reads }, facts)).toMatchObject({ is: 'unseen' })
  })

  test('what Kubernetes keeps in each namespace is no evidence, and comes by itself', () => {
    const root = { is: 'key', kinds: ['ConfigMap'], reads: missing.reads } as const
    const env = writers('ConfigMap', 'env', {})
    expect(makerOf({ ...root, name: 'env' }, [groups(), env]).is).toBe('none')
    expect(makerOf({ ...root, name: 'kube-root-ca.crt' }, []).is).toBe('some')
  })

  test.each([
    ['configmap "env" not found', 'object', ['ConfigMap'], 'env'],
    ['secret "keys" not found', 'object', ['Secret'], 'keys'],
    ["couldn't find key stripe in Secret shop/keys", 'key', ['Secret'], 'keys'],
    ["couldn't find key DEBUG in ConfigMap shop/env", 'key', ['ConfigMap'], 'env'],
    [
      'MountVolume.SetUp failed for volume "env" : configmap "env" not found',
      'object',
      ['ConfigMap'],
      'env',
    ],
    ['references non-existent config key: app.ini', 'key', ['ConfigMap'], undefined],
    ['references non-existent secret key: app.ini', 'key', ['Secret'], undefined],
    ['words of a later version', 'key', ['ConfigMap', 'Secret'], undefined],
  ])('the kubelet says %s', (message, is, kinds, name) => {
    expect(missingWords(message)).toEqual({ is, kinds, ...(name !== undefined && { name }) })
  })
})

test('facts of the same kind about two objects are two', () => {
  const [one, other] = [writers('Secret', 'a', {}), writers('Secret', 'b', {})]
  expect(factKey(one)).not.toBe(factKey(other))
  expect(withFact(withFact(newObservations(0), one), other).facts).toEqual([one, other])
})

const none: Nearby = { scaler: () => undefined, room: () => undefined }
const noCpu = '0/3 nodes are available: 3 Insufficient cpu.'

describe('a pod that fits on no node', () => {
  const issuer = (url: string) => ({ issuer: read(url) })
  const node = (provider: string, ...keys: readonly string[]) => ({
    nodes: read([{ provider, keys }]),
  })
  const nodes = (more: Partial<NodeFacts> = {}): Fact => ({
    is: 'nodes',
    version: 'v1.34.4',
    ...issuer('https://kubernetes.default.svc.cluster.local'),
    ...node('', 'kubernetes.io/hostname', 'node-role.kubernetes.io/control-plane'),
    status: read(false),
    ...more,
  })

  test.each<[string, readonly Fact[], string, RegExp]>([
    [
      'all was read, and there is no autoscaler',
      [groups('metrics.k8s.io'), nodes()],
      'none',
      /no autoscaler/,
    ],
    [
      'the nodes cannot be read',
      [groups(), nodes({ nodes: unreadable, status: unreadable })],
      'unseen',
      /^no autoscaler has answered/,
    ],
    [
      'the API groups cannot be read',
      [{ is: 'groups', names: unreadable }, nodes()],
      'unseen',
      /./,
    ],
    ['Karpenter', [groups('karpenter.sh'), nodes()], 'some', /^Karpenter may add a node/],
    ['Karpenter of Azure', [groups('karpenter.azure.com'), nodes()], 'some', /^Karpenter/],
    ['EKS by its groups', [groups('vpcresources.k8s.aws'), nodes()], 'some', /^Amazon EKS/],
    ['EKS by its version', [groups(), nodes({ version: 'v1.33.4-eks-113cf36' })], 'some', /cloud/],
    ['GKE by its groups', [groups('auto.gke.io'), nodes()], 'some', /^Google GKE/],
    ['GKE by its version', [groups(), nodes({ version: 'v1.33.4-gke.1134000' })], 'some', /cloud/],
    [
      'AKS by its issuer',
      [groups(), nodes(issuer('https://shop-1.hcp.westeurope.azmk8s.io'))],
      'some',
      /cloud/,
    ],
    [
      'AKS with OIDC',
      [groups(), nodes(issuer('https://eastus.oic.prod-aks.azure.com/1/2/'))],
      'some',
      /cloud/,
    ],
    ['OpenShift', [groups('machine.openshift.io'), nodes()], 'some', /^OpenShift/],
    [
      'the Cluster API',
      [groups('infrastructure.cluster.x-k8s.io'), nodes()],
      'some',
      /Cluster API/,
    ],
    [
      'the status of a cluster-autoscaler',
      [groups(), nodes({ status: read(true) })],
      'some',
      /cluster-autoscaler/,
    ],
    ['nodes of a cloud', [groups(), nodes(node('hcloud://123'))], 'some', /hcloud/],
    ['nodes of k3s', [groups(), nodes(node('k3s://one'))], 'none', /./],
    [
      'a label of a pool',
      [groups(), nodes(node('', 'eks.amazonaws.com/nodegroup'))],
      'some',
      /nodegroup/,
    ],
    [
      'a taint of the cluster-autoscaler',
      [groups(), nodes(node('', 'DeletionCandidateOfClusterAutoscaler'))],
      'some',
      /pool/,
    ],
    [
      'the autoscaler of pods is none of nodes',
      [groups('autoscaling.k8s.io', 'keda.sh'), nodes()],
      'none',
      /./,
    ],
  ])('%s', (_, facts, is, because) => {
    expect(nodeFor(noCpu, none, facts)).toEqual({
      is,
      because: expect.stringMatching(because) as unknown,
    })
  })

  test.each([
    [noCpu, 'wanted'],
    [
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
      'wanted',
    ],
    [
      '0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }. preemption: 0/3 nodes are available: 3 No preemption victims found.',
      'wanted',
    ],
    [
      "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't have free ports for the requested pod ports.",
      'wanted',
    ],
    [
      '0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.',
      'some',
    ],
    [
      '0/2 nodes are available: 2 node(s) had untolerated taint {node.cloudprovider.kubernetes.io/uninitialized: true}.',
      'some',
    ],
    [
      '0/2 nodes are available: 2 node(s) had untolerated taint {node.cilium.io/agent-not-ready: }.',
      'some',
    ],
    ['0/2 nodes are available: 2 node(s) had untolerated taint(s).', 'some'],
    ['0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.', 'some'],
    [
      '0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available.',
      'some',
    ],
    ['0/1 nodes are available: 1 Insufficient nvidia.com/gpu.', 'some'],
    ['no nodes available to schedule pods', 'some'],
    ['words of a later version', 'some'],
  ])('the scheduler says: %s', (message, is) => {
    expect(nodeFor(message, none, []).is).toBe(is)
  })

  test('both kinds of facts are read side by side', () => {
    const wanted = [{ is: 'groups' }, { is: 'nodes' }]
    expect(nodeFor(noCpu, none, [])).toEqual({ is: 'wanted', wanted })
  })

  test.each([
    ['an event of the cluster-autoscaler', 'events: [{about: web-x, reason: NotTriggerScaleUp}]'],
    ['an event of Karpenter', 'events: [{about: web-x, reason: Nominated}]'],
    ['a node of GKE', 'pods: {web-o: {of: old, spec: {nodeName: gke-shop-default-pool-1-x}}}'],
    ['a node of AKS', 'pods: {web-o: {of: old, spec: {nodeName: aks-agentpool-1-vmss000000}}}'],
    [
      'a node of AWS',
      'pods: {web-o: {of: old, spec: {nodeName: ip-10-0-0-1.eu-west-1.compute.internal}}}',
    ],
    ['a pod of a Job', 'pods: {web-o: {of: old, spec: {nodeName: n, restartPolicy: Never}}}'],
  ])('%s in the namespace', (_, scene) => {
    expect(nodeFor(noCpu, nearby(pictureOf(scene, 1)), [])).toMatchObject({ is: 'some' })
  })

  test.each([
    ['of nothing', 'pods: {web-o: {of: old}}'],
    [
      'of a Job that has ended',
      'pods: {web-o: {of: old, spec: {nodeName: n, restartPolicy: Never}, status: {phase: Succeeded}}}',
    ],
    ['of the scheduler', 'events: [{about: web-x, reason: FailedScheduling}]'],
  ])('no sign in the namespace: %s', (_, scene) => {
    expect(nodeFor(noCpu, nearby(pictureOf(scene, 1)), []).is).toBe('wanted')
  })
})

const ofOther = (status: string) =>
  `pods: {other-1: {of: old, spec: {nodeName: n}, status: {${status}}}}`
const notReady = 'conditions: [{type: Ready, status: "False"}]'

test.each([
  ['nothing', 'pods: {web-o: {of: old}}', 'none', /^no pod/],
  [
    'a pod of a Job',
    'pods: {backup-1: {of: old, spec: {nodeName: n, restartPolicy: OnFailure}}}',
    'some',
    /^pod backup-1 makes room when it ends$/,
  ],
  [
    "another application's pod, which starts",
    ofOther(notReady),
    'some',
    /^pod other-1 is starting/,
  ],
  [
    '…which restarts',
    ofOther(`${notReady}, containerStatuses: [{name: a, restartCount: 3}]`),
    'none',
    /./,
  ],
  ['…which is Ready', ofOther('conditions: [{type: Ready, status: "True"}]'), 'none', /./],
])('a quota gets room by %s', (_, scene, is, because) => {
  expect(roomBy(nearby(pictureOf(scene, 1)))).toEqual({
    is,
    because: expect.stringMatching(because) as unknown,
  })
})
