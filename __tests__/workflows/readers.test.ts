/** What reads the example for GitLab takes nothing that it does not understand. */
import { describe, expect, test } from '@jest/globals'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jobsOf } from './gitlabci.js'

const examples = fileURLToPath(new URL('../../examples', import.meta.url))

describe('the reader of .gitlab-ci.yml', () => {
  const file = () => readFile(join(examples, 'gitlab/.gitlab-ci.yml'), 'utf8')
  const push = { CI_PIPELINE_SOURCE: 'push', CI_COMMIT_BRANCH: 'main', CI_DEFAULT_BRANCH: 'main' }

  test.each([
    ['a key of a job', 'needs: []', 'extends: .job', 'rollback: extends is not understood'],
    ['a condition', '== $CI_DEFAULT_BRANCH', '=~ /main/', 'is not understood'],
    ['a variable in a variable', 'NAMESPACE: shop', 'NAMESPACE: $X', 'would be expanded'],
    ['artifacts of good jobs alone', 'when: always', 'when: on_success', 'has no artifacts'],
    ['a button that the pipeline waits for', 'allow_failure: true', 'allow_failure: false', 'wait'],
    ['an unknown stage', 'stage: deploy', 'stage: later', 'no stage later'],
  ])('rejects what it does not support: %s', async (_, old, wrong, said) => {
    const text = await file()
    expect(text).toContain(old)
    expect(() => jobsOf(text.replace(old, wrong), push)).toThrow(said)
  })

  test('knows which jobs a pipeline has', async () => {
    const text = await file()
    const names = (variables: Readonly<Record<string, string>>) =>
      jobsOf(text, variables).map(({ name, manual }) => (manual ? `${name}?` : name))
    expect(names(push)).toEqual(['test', 'deploy', 'rollback?'])
    expect(names({ ...push, CI_COMMIT_BRANCH: 'feature' })).toEqual([])
    const { CI_COMMIT_BRANCH: _, ...merge } = push
    expect(names({ ...merge, CI_PIPELINE_SOURCE: 'merge_request_event' })).toEqual(['test'])
  })

  test('knows that only the default branch pushes', async () => {
    const text = await file()
    const pushes = (variables: Readonly<Record<string, string>>) =>
      jobsOf(text, variables)[0]?.variables['PUSH']
    expect(pushes(push)).toBe('true')
    expect(pushes({ CI_PIPELINE_SOURCE: 'merge_request_event' })).toBe('false')
  })
})
