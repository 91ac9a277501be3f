/** This repository's own workflows: what takes minutes. The rest is in __tests__/workflows/own.test.ts. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Checkout } from '../e2e/checkout.js'
import { Publication } from '../e2e/publication.js'

describe('ci', () => {
  let repository: Checkout

  beforeEach(async () => {
    repository = await Checkout.make()
  })

  afterEach(() => repository.remove())

  // What `make test` does is tried where it is at home: of the job it is only this that is tried here.
  const env = { ONLY: 'generated files,stack,browser tests' }

  test('all jobs are green, and so is ci-ok', async () => {
    const ended = await repository.act({ name: 'push', workflow: 'ci.yml', env })

    expect(ended.jobs).toEqual({
      ...{ check: 'succeeded', 'workflow-files': 'succeeded', 'end-to-end': 'succeeded' },
      'ci-ok': 'succeeded',
    })
    expect(ended.code).toBe(0)
  })

  test('an error that the linter finds turns check red, and ci-ok with it', async () => {
    await repository.change('src/cli.ts', (text) => `${text}\nvar unused = 1\n`)
    await repository.commit('Not as the linter has it')
    const ended = await repository.act({ name: 'pull_request', workflow: 'ci.yml', env })

    expect(ended.jobs).toEqual({
      ...{ check: 'failed', 'workflow-files': 'succeeded', 'end-to-end': 'succeeded' },
      'ci-ok': 'failed',
    })
    expect(ended.code).toBe(1)
    expect(ended.output).toContain('no-var')
  })
})

describe('publish', () => {
  let publication: Publication

  beforeEach(async () => {
    publication = await Publication.make()
  })

  afterEach(() => publication.remove())

  test('a dist that is not what src builds to is not published', async () => {
    await publication.checkout.change('dist/cli/index.js', (text) => `${text}\n`)
    await publication.checkout.commit('Changed by hand')
    const ended = await publication.push('v1.0.0')

    expect(ended.code).toBe(1)
    expect(ended.jobs).toEqual({ check: 'failed' })
    expect(ended.output).toContain('dist/cli/index.js differs from what src builds to')
    expect(publication.counts()).toEqual({ npm: 0, github: 0 })
  })

  test('a run by hand says what would be published, and does nothing', async () => {
    const ended = await publication.act('workflow_dispatch', 'refs/heads/main')

    expect(ended.code).toBe(0)
    expect(ended.jobs).toEqual({ check: 'succeeded' })
    expect(ended.output).toContain('django-rollout 1.0.0: the tags v1.0.0 and v1')
    expect(publication.counts()).toEqual({ npm: 0, github: 0 })
  })
})
