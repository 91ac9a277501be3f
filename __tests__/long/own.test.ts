/** This repository's own workflows. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Checkout } from '../e2e/checkout.js'
import { Publication } from '../e2e/publication.js'

describe('in the workflow ci', () => {
  let repository: Checkout

  beforeEach(async () => {
    repository = await Checkout.make()
    // What `make test` does is tried where it is at home: of the job it is only this that is tried here.
    await repository.change('.github/workflows/ci.yml', (text) =>
      text.replace(/ONLY: .*/, 'ONLY: stack,browser tests'),
    )
    await repository.commit('Less in end-to-end')
  })

  afterEach(() => repository.remove())

  test('all jobs are green, and so is ci-ok', async () => {
    const ended = await repository.act({ name: 'push', workflow: 'ci.yml' })

    expect(ended.jobs).toEqual({
      check: 'succeeded',
      'workflow-files': 'succeeded',
      'end-to-end': 'succeeded',
      'ci-ok': 'succeeded',
    })
    expect(ended.code).toBe(0)
  })

  test('an error that the linter finds turns check red, and ci-ok with it', async () => {
    await repository.change('src/cli.ts', (text) => `${text}\nvar unused = 1\n`)
    await repository.commit('Not as the linter has it')
    const ended = await repository.act({ name: 'pull_request', workflow: 'ci.yml' })

    expect(ended.jobs).toEqual({
      check: 'failed',
      'workflow-files': 'succeeded',
      'end-to-end': 'succeeded',
      'ci-ok': 'failed',
    })
    expect(ended.code).toBe(1)
    expect(ended.output).toContain('no-var')
  })

  test('untrusted text in a script of a workflow turns workflow-files red', async () => {
    await repository.change(
      'workflows/deploy.yml',
      (text) => `${text}      - run: echo "\${{ github.event.head_commit.message }}"\n`,
    )
    await repository.commit('Tell the message')
    const ended = await repository.act({ name: 'push', workflow: 'ci.yml', job: 'workflow-files' })

    expect(ended).toMatchObject({ code: 1, jobs: { 'workflow-files': 'failed' } })
    expect(ended.output).toContain('actionlint: exit code 1')
    expect(ended.output).toContain('may expand into attacker-controllable code')
  })
})

describe('in the workflow publish', () => {
  let publication: Publication

  beforeEach(async () => {
    publication = await Publication.make()
  })

  afterEach(() => publication.remove())

  test('a dist that is not the build of src is not published', async () => {
    await publication.checkout.change('dist/cli/index.js', (text) => `${text}\n`)
    await publication.checkout.commit('Changed by hand')
    const ended = await publication.push('v1.0.0')

    expect(ended.code).toBe(1)
    expect(ended.jobs).toEqual({ check: 'failed' })
    expect(ended.output).toContain('dist/cli/index.js differs from what src builds to')
    expect(await publication.counts()).toEqual({ npm: 0, github: 0 })
  })

  test('a run by hand prints what would be published, and does nothing', async () => {
    const ended = await publication.act('workflow_dispatch', 'refs/heads/main')

    expect(ended.code).toBe(0)
    expect(ended.jobs).toEqual({ check: 'succeeded' })
    expect(ended.output).toContain('django-rollout 1.0.0: latest on npm, the tags v1.0.0 and v1')
    expect(await publication.counts()).toEqual({ npm: 0, github: 0 })
  })

  test('a pushed tag is published to npm and as a GitHub release, v1 moves to its commit, and a second run changes nothing', async () => {
    const ended = await publication.push('v1.0.0')
    const { files } = publication.npm
    const release = (await publication.releases())['v1.0.0'] ?? {}

    expect(ended).toMatchObject({ code: 0, jobs: { check: 'succeeded', publish: 'succeeded' } })
    expect([...files.keys()]).toEqual(['1.0.0'])
    expect(Object.keys(release).sort()).toEqual(['django-rollout-1.0.0.tgz', 'notes'])
    expect(release['django-rollout-1.0.0.tgz']).toEqual(files.get('1.0.0'))
    expect(release['notes']?.toString()).toContain('A release as one transaction')
    expect(await publication.at('v1')).toBe(await publication.at('v1.0.0'))

    const again = await publication.act('push', 'refs/tags/v1.0.0')
    expect(again).toMatchObject({ code: 0, jobs: { check: 'succeeded', publish: 'succeeded' } })
  })

  test('a tag that is not the version publishes nothing', async () => {
    const ended = await publication.push('v9.9.9')

    expect(ended.code).toBe(1)
    expect(ended.jobs).toEqual({ check: 'failed' })
    expect(ended.output).toContain('the tag v9.9.9 is not the version of package.json, 1.0.0')
    expect(await publication.counts()).toEqual({ npm: 0, github: 0 })
  })

  test('a version that is missing from the changelog publishes nothing', async () => {
    await publication.checkout.change('CHANGELOG.md', (text) =>
      text.replace('[1.0.0] -', '[0.9.0] -'),
    )
    await publication.checkout.commit('Another section')
    const ended = await publication.push('v1.0.0')

    expect(ended.code).toBe(1)
    expect(ended.jobs).toEqual({ check: 'failed' })
    expect(ended.output).toContain('CHANGELOG.md has no section "## [1.0.0] - date"')
    expect(await publication.counts()).toEqual({ npm: 0, github: 0 })
  })
})
