/**
 * The starter workflows that carry one image on: from staging to production, and from a git tag to `latest`.
 * The approval before production is GitHub's own, and cannot be had here: act starts the job at once.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Act, addWorkflow, keepingOutputs, starter } from '../e2e/act.js'
import { broken, makeBlog, startWeb, webRuns, whyBroken } from '../e2e/blog.js'
import type { Site } from '../e2e/site.js'
import { acceptManifests, kubectl, root, stack } from '../e2e/stack.js'

let blog: Site
let runner: Act
/** Both in one cluster: the secret KUBECONFIG of either environment is the same account here. */
let staging: string
let production: string

beforeAll(async () => {
  ;[blog, runner] = await Promise.all([makeBlog('promote'), Act.make()])
  production = blog.namespace
  staging = `${production}-staging`
  await kubectl('create', 'namespace', staging)
  await kubectl('-n', staging, 'apply', '-f', join(root, 'examples/rbac.yaml'))
  const may = ['--role=django-rollout', `--serviceaccount=${production}:django-rollout`]
  await kubectl('-n', staging, 'create', 'rolebinding', 'production', ...may)
  await startWeb(staging, await webRuns(production))
})

afterAll(() =>
  Promise.all([
    blog.remove(),
    runner.remove(),
    kubectl('delete', 'namespace', staging, '--wait=false'),
  ]),
)

const untouched = async () => ({ state: await blog.state(), pods: await blog.pods('web') })

describe('the starter workflow promote.yml', () => {
  test('deploys to production the image that is live in staging, built once', async () => {
    const text = keepingOutputs(await starter(blog, 'promote.yml'), 'production')
    const sha = await addWorkflow(blog, 'promote.yml', text)
    const ended = await runner.run(blog, 'push')

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: sha } })
    const image = `${blog.image}:${sha}@${ended.outputs['digest'] ?? ''}`
    expect(await webRuns(staging)).toBe(image)
    expect(await webRuns(production)).toBe(image)
    expect(runner.github.active('staging')).toEqual([sha])
    expect(runner.github.active('production')).toEqual([sha])
    expect(ended.output.match(new RegExp(`built ${blog.image}:${sha}`, 'g'))).toHaveLength(1)
  })

  test('changes nothing when the same push runs again', async () => {
    const before = await untouched()
    const ended = await runner.run(blog, 'push')

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'unchanged' } })
    expect(await untouched()).toEqual(before)
  })

  test('deploys nothing to production that fails in staging', async () => {
    const before = await untouched()
    const good = await webRuns(staging)
    await blog.commit('Errors are reported', broken)
    const ended = await runner.run(blog, 'push')

    expect(ended.code).toBe(1)
    expect(ended.output).toContain(whyBroken)
    expect(await webRuns(staging)).toBe(good)
    // No step of the second job has run, not even the one that always runs.
    expect(ended.outputs).toEqual({})
    expect(await untouched()).toEqual(before)
    await blog.drop()
  })
})

describe('the starter workflow release-tag.yml', () => {
  const release = async (tag: string) => {
    await blog.git('tag', tag)
    const event = join(dirname(blog.folder), 'event.json')
    await writeFile(event, JSON.stringify({ ref: `refs/tags/${tag}` }))
    const only = ['--workflows', '.github/workflows/release-tag.yml', '--eventpath', event]
    return runner.run(blog, 'push', only)
  }
  const digestOf = async (tag: string) => {
    const path = blog.image.slice(stack.registry.length + 1)
    const [, types = ''] = acceptManifests.split(': ')
    const headers = { accept: types }
    const url = `http://${stack.registry}/v2/${path}/manifests/${tag}`
    return (await fetch(url, { method: 'HEAD', headers })).headers.get('docker-content-digest')
  }

  test('names the image after the git tag, and tags it latest once it is live', async () => {
    const text = keepingOutputs(await starter(blog, 'release-tag.yml'), 'release')
    await addWorkflow(blog, 'release-tag.yml', text)
    const ended = await release('v1.0.0')

    expect(ended).toMatchObject({ code: 0, outputs: { result: 'deployed', tag: 'v1.0.0' } })
    expect(await webRuns(production)).toBe(ended.outputs['image'])
    expect(await digestOf('v1.0.0')).toBe(ended.outputs['digest'])
    expect(await digestOf('latest')).toBe(ended.outputs['digest'])
  })

  test('rejects a git tag that no image can have, in one sentence', async () => {
    const before = await untouched()
    const ended = await release('v1.0+build')

    expect(ended).toMatchObject({ code: 1, outputs: { result: 'usage' } })
    expect(ended.output).toContain(
      '"tag" "v1.0+build" is not a tag (only letters, digits, and . _ -, at most 128)',
    )
    expect(await untouched()).toEqual(before)
  })
})
