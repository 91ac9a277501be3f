/** What of this repository's own workflows is quick: the rest is in __tests__/long/own.test.ts. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Checkout } from '../e2e/checkout.js'
import { Publication } from '../e2e/publication.js'

describe('ci: the job workflow-files', () => {
  let repository: Checkout

  beforeEach(async () => {
    repository = await Checkout.make()
  })

  afterEach(() => repository.remove())

  const lint = () => repository.act({ name: 'push', workflow: 'ci.yml', job: 'workflow-files' })

  test('is green', async () => {
    const ended = await lint()

    expect(ended).toMatchObject({ code: 0, jobs: { 'workflow-files': 'succeeded' } })
    expect(ended.output).toContain('actionlint: nothing found')
    expect(ended.output).toContain('zizmor: nothing found')
  })

  test('is red when a workflow lets untrusted text into a script', async () => {
    await repository.change(
      'workflows/deploy.yml',
      (text) => `${text}      - run: echo "\${{ github.event.head_commit.message }}"\n`,
    )
    await repository.commit('Tell the message')
    const ended = await lint()

    expect(ended).toMatchObject({ code: 1, jobs: { 'workflow-files': 'failed' } })
    expect(ended.output).toContain('actionlint: exit code 1')
    expect(ended.output).toContain('may expand into attacker-controllable code')
  })
})

describe('publish', () => {
  let publication: Publication

  beforeEach(async () => {
    publication = await Publication.make()
  })

  afterEach(() => publication.remove())

  test('a pushed tag goes to npm and becomes an immutable release, and v1 is its commit', async () => {
    const ended = await publication.push('v1.0.0')
    const { npm, github } = publication

    expect(ended).toMatchObject({ code: 0, jobs: { check: 'succeeded', publish: 'succeeded' } })
    expect([...npm.files.keys()]).toEqual(['1.0.0'])
    expect(github.releases).toMatchObject([{ tag_name: 'v1.0.0', draft: false, immutable: true }])
    expect(github.releases[0]?.body).toContain('A release as one transaction')
    expect([...github.assets.keys()]).toEqual(['v1.0.0/django-rollout-1.0.0.tgz'])
    expect(github.assets.get('v1.0.0/django-rollout-1.0.0.tgz')).toEqual(npm.files.get('1.0.0'))
    expect(await publication.at('v1')).toBe(await publication.at('v1.0.0'))
  })

  test('a tag that is not the version publishes nothing', async () => {
    const ended = await publication.push('v9.9.9')

    expect(ended.code).toBe(1)
    expect(ended.jobs).toEqual({ check: 'failed' })
    expect(ended.output).toContain('the tag v9.9.9 is not the version of package.json, 1.0.0')
    expect(publication.counts()).toEqual({ npm: 0, github: 0 })
  })

  test('a version that the changelog does not tell publishes nothing', async () => {
    await publication.checkout.change('CHANGELOG.md', (text) =>
      text.replace('[1.0.0] -', '[0.9.0] -'),
    )
    await publication.checkout.commit('Another section')
    const ended = await publication.push('v1.0.0')

    expect(ended.code).toBe(1)
    expect(ended.jobs).toEqual({ check: 'failed' })
    expect(ended.output).toContain('CHANGELOG.md has no section "## [1.0.0] - date"')
    expect(publication.counts()).toEqual({ npm: 0, github: 0 })
  })
})
