/** What reads the examples for the tests takes nothing that it does not understand. */
import { describe, expect, test } from '@jest/globals'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jobsOf } from './gitlabci.js'
import { readJenkinsfile } from './jenkinsfile.js'

const examples = fileURLToPath(new URL('../../examples', import.meta.url))

describe('a Jenkinsfile', () => {
  const file = () => readFile(join(examples, 'jenkins/Jenkinsfile'), 'utf8')

  test.each([
    [
      'a step of another kind',
      "sh 'rm -rf reports'",
      "bat 'rm -rf reports'",
      'bat is not understood',
    ],
    ['Groovy in a script', "sh 'rm -rf reports'", 'sh "rm -rf ${params.TO}"', '"rm -rf ${params'],
    [
      'a step with more than its script',
      "sh 'rm -rf reports'",
      "script { sh 'x' }",
      'script is not',
    ],
    ['a condition of another kind', "branch 'main'", "tag 'v*'", 'tag is not understood'],
    ['an unknown section', 'post {', 'tools { }\n  post {', 'pipeline: tools is not understood'],
    ['an unknown end', 'always {', 'success {', 'post: success is not understood'],
    ['a credential of another kind', 'file(cred', 'sshUserPrivateKey(cred', 'sshUserPrivateKey'],
    ['a value that is worked out', "= 'shop'", '= params.TO', 'no text'],
    ['a brace too few', /\}\n$/, '\n', 'it ends too soon'],
    ['a brace too many', /$/, '}', '} without {'],
  ])('%s', async (_, old, wrong, said) => {
    const text = await file()
    const changed = text.replace(old, wrong)
    expect(changed).not.toBe(text)
    expect(() => readJenkinsfile(changed)).toThrow(said)
  })

  test('says which stages run when', async () => {
    const { stages, parameters } = readJenkinsfile(await file())
    const ran = (branch: string, chosen: object = {}) =>
      stages
        .filter(({ runs }) => runs({ branch, parameters: { ...parameters, ...chosen } }))
        .map(({ name }) => name)
    expect(ran('PR-7')).toEqual(['login', 'build', 'test'])
    expect(ran('main')).toEqual(['login', 'build', 'test and push', 'deploy'])
    expect(ran('main', { ACTION: 'rollback' })).toEqual(['login', 'rollback'])
    expect(ran('PR-7', { ACTION: 'rollback' })).toEqual(['login'])
  })

  test('gives secrets to the steps that need them, and to no others', async () => {
    const { stages } = readJenkinsfile(await file())
    const given = stages.flatMap(({ name, steps }) =>
      steps.flatMap((step) =>
        (step.is === 'sh' ? step.credentials : []).map(({ id }) => [name, id]),
      ),
    )
    expect(given).toEqual([
      ['login', 'registry'],
      ['deploy', 'kubeconfig'],
      ['rollback', 'kubeconfig'],
    ])
  })
})

describe('a .gitlab-ci.yml', () => {
  const file = () => readFile(join(examples, 'gitlab/.gitlab-ci.yml'), 'utf8')
  const push = { CI_PIPELINE_SOURCE: 'push', CI_COMMIT_BRANCH: 'main', CI_DEFAULT_BRANCH: 'main' }

  test.each([
    ['a key of a job', 'needs: []', 'extends: .job', 'rollback: extends is not understood'],
    ['a condition', '== $CI_DEFAULT_BRANCH', '=~ /main/', 'is not understood'],
    ['a variable in a variable', 'NAMESPACE: shop', 'NAMESPACE: $X', 'would be expanded'],
    ['artifacts of good jobs alone', 'when: always', 'when: on_success', 'has no artifacts'],
    ['a button that the pipeline waits for', 'allow_failure: true', 'allow_failure: false', 'wait'],
    ['a stage that is none', 'stage: deploy', 'stage: later', 'no stage later'],
  ])('%s', async (_, old, wrong, said) => {
    const text = await file()
    expect(text).toContain(old)
    expect(() => jobsOf(text.replace(old, wrong), push)).toThrow(said)
  })

  test('says which jobs a pipeline has', async () => {
    const text = await file()
    const names = (variables: Readonly<Record<string, string>>) =>
      jobsOf(text, variables).map(({ name, manual }) => (manual ? `${name}?` : name))
    expect(names(push)).toEqual(['test', 'deploy', 'rollback?'])
    expect(names({ ...push, CI_COMMIT_BRANCH: 'feature' })).toEqual([])
    const { CI_COMMIT_BRANCH: _, ...merge } = push
    expect(names({ ...merge, CI_PIPELINE_SOURCE: 'merge_request_event' })).toEqual(['test'])
  })

  test('pushes from the default branch alone', async () => {
    const text = await file()
    const pushes = (variables: Readonly<Record<string, string>>) =>
      jobsOf(text, variables)[0]?.variables['PUSH']
    expect(pushes(push)).toBe('true')
    expect(pushes({ CI_PIPELINE_SOURCE: 'merge_request_event' })).toBe('false')
  })
})
