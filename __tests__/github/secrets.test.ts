import { describe, expect, test } from '@jest/globals'
import { secretsOf } from '../../src/github/secrets.js'

const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl'
const key = 'LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo='

/** As clouds and kubeadm write it, with the words that a log is full of. */
const kubeconfig = `apiVersion: v1
kind: Config
preferences: {}
current-context: production
clusters:
- name: production
  cluster:
    server: https://ada:hunter2@api.example:6443
    insecure-skip-tls-verify: true
    certificate-authority-data: Q0FDQUNBQ0FDQUNB
contexts:
- name: production
  context: {cluster: production, namespace: shop, user: deploy}
users:
- name: deploy
  user:
    token: ${token}
    tokenFile: /var/run/secrets/token
    client-certificate-data: Q0VSVENFUlQ=
    client-key-data: ${key}
    username: admin
    password: "correct horse"
- name: cloud
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: aws
      interactiveMode: Never
      args: [eks, get-token, --cluster-name, shop, --client-secret, s3cr3t-arg, --api-key=k3y-arg]
      env:
      - name: AWS_SECRET_ACCESS_KEY
        value: wJalrXUtnFEMI
      - {name: AWS_PROFILE, value: production}
- name: old
  user:
    auth-provider: {name: oidc, config: {client-id: shop, client-secret: 0id-s3cret, id-token: 12345678, refresh-token: 'true'}}
`

const credentials = [
  token,
  key,
  'correct horse',
  's3cr3t-arg',
  'k3y-arg',
  'wJalrXUtnFEMI',
  '0id-s3cret',
  '12345678',
  'hunter2',
]

describe('a kubeconfig keeps its credentials secret, and nothing else', () => {
  test.each([
    ['as it is written', kubeconfig],
    ['with the line ends of Windows', kubeconfig.replaceAll('\n', '\r\n')],
    ['with a comment before it and a document end', `# ours\n---\n${kubeconfig}...\n`],
  ])('%s', (_, text) => {
    expect(secretsOf({ kubeconfig: text })).toEqual(credentials)
  })

  test.each([
    [
      'JSON in one line',
      `{"apiVersion":"v1","users":[{"name":"ci","user":{"token":"${token}"}}]}`,
      [token],
    ],
    ['a path', '~/.kube/production', []],
    ['base64 of it', 'YXBpVmVyc2lvbjogdjEK', ['YXBpVmVyc2lvbjogdjEK']],
    ['base64 of it in lines', `${key}\n${token}\n`, [key, token]],
    [
      'one that is no YAML',
      `apiVersion: v1\n  kind: [Config\nusers:\n- user: {token: abcdef0123}\n`,
      ['abcdef0123'],
    ],
    [
      'a template that is not filled in',
      'apiVersion: v1\nusers:\n- user: {token: {{ TOKEN }}}\n',
      [],
    ],
    [
      'a key in lines',
      `users:\n- user:\n    client-key-data: |\n      ${key}\n      ${token}\n`,
      [`${key}\\n${token}\\n`, key, token],
    ],
    [
      'many aliases',
      `a: &a [x]\nb: &b [${'*a,'.repeat(9)}]\nc: [${'*b,'.repeat(9)}]\ntoken: abcdef\n`,
      ['abcdef'],
    ],
    [
      'a token that begins as a version does, and a variable of few letters',
      'users:\n- user: {token: v9hT2kQ7bWm4, exec: {apiVersion: v1beta1, env: [{name: PASS, value: hunter2}]}}\n',
      ['v9hT2kQ7bWm4', 'hunter2'],
    ],
    [
      'a bearer of nothing',
      'kind: Config\nusers:\n- user: {token: v1, password: true, secret: ""}\n',
      [],
    ],
  ])('%s', (_, text, found) => {
    expect(secretsOf({ kubeconfig: text })).toEqual(found)
  })
})

const account = {
  type: 'service_account',
  project_id: 'acme-shop',
  private_key_id: '4f2a9c',
  private_key:
    '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n',
  client_email: 'ci@acme-shop.iam.gserviceaccount.com',
}

test.each<[string, Record<string, string>, readonly string[]]>([
  ['nothing', {}, []],
  ['an empty one', { 'registry-password': '' }, []],
  ['what is no secret', { image: 'ghcr.io/acme/shop', 'test-env': 'A=123456789' }, []],
  ['a password with a blank', { 'registry-password': 'correct horse' }, ['correct horse']],
  ['a short one', { 'registry-password': 'abc' }, ['abc']],
  ['one with a line end', { 'registry-password': 'correct\n' }, ['correct']],
  ["a build's secret", { 'build-secrets': 'PIP_TOKEN=s3cr3t\nNPMRC\nEMPTY=\n' }, ['s3cr3t']],
  ['one that is no list', { 'build-secrets': 'correct horse' }, ['correct horse']],
  ['an address', { webhook: 'https://chat.example/T0/B0' }, ['https://chat.example/T0/B0']],
  [
    "a service account's key",
    { 'registry-password': JSON.stringify(account, null, 2) },
    [
      JSON.stringify(account.private_key).slice(1, -1),
      'MIIEvQIBADANBgkqhkiG9w0B',
      'AQEFAASCBKcwggSjAgEAAoIB',
    ],
  ],
  [
    'a key in PEM',
    { 'registry-password': account.private_key },
    ['MIIEvQIBADANBgkqhkiG9w0B', 'AQEFAASCBKcwggSjAgEAAoIB'],
  ],
])('%s is read', (_, given, found) => {
  expect(secretsOf(given)).toEqual(found)
})
