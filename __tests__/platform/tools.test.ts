import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realTools } from '../../src/platform/tools.js'

const program = '#!/bin/sh\necho kubectl\n'
let server: Server
let url: string
let asked: string[]
let home: string

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(program)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => void server.close())

beforeEach(() => {
  asked = []
  home = mkdtempSync(join(tmpdir(), 'tools-'))
  // tool-cache reads the runner's variables from the process itself.
  process.env['RUNNER_TOOL_CACHE'] = join(home, 'cache')
  process.env['RUNNER_TEMP'] = join(home, 'temp')
})

afterEach(() => {
  rmSync(home, { recursive: true })
})

const system = `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`
const digest = createHash('sha256').update(program).digest('hex')
const env = () => ({ ...process.env, KUBECTL_DOWNLOAD_URL: url })
const known = { 'v1.34.4': { [system]: digest }, 'v1.32.13': { [system]: digest } }
const all = () => true
const fetchKubectl = (fits: (version: string) => boolean = all) =>
  realTools(env(), known).fetchKubectl(fits)

describe('a kubectl', () => {
  test('is downloaded once, made executable, and then found in the tool cache', async () => {
    const { path, version } = (await fetchKubectl())!
    expect(version).toBe('v1.34.4')
    expect(readFileSync(path, 'utf8')).toBe(program)
    expect(asked).toEqual([`/v1.34.4/bin/${system}/kubectl`])
    asked = []
    expect(await fetchKubectl()).toEqual({ path, version })
    expect(asked).toEqual([])
  })

  test('is the first that fits, in a folder of its version', async () => {
    const other = await fetchKubectl()
    const old = await fetchKubectl((version) => version === 'v1.32.13')
    expect(old).toMatchObject({ version: 'v1.32.13' })
    expect(old?.path).not.toBe(other?.path)
    expect(asked.at(-1)).toBe(`/v1.32.13/bin/${system}/kubectl`)
    expect(await fetchKubectl(() => false)).toBeUndefined()
  })

  test('is downloaded again where the one in the tool cache was replaced', async () => {
    const { path } = (await fetchKubectl())!
    writeFileSync(path, '#!/bin/sh\necho another\n')
    expect(readFileSync((await fetchKubectl())!.path, 'utf8')).toBe(program)
  })

  test.each(['v1.34.4', 'v1.35.2', 'v1.32.13'])(
    'of %s is refused when it is not the one that is known, whatever the server says of it',
    async (version) => {
      const fetched = realTools(env()).fetchKubectl((one) => one === version)
      await expect(fetched).rejects.toThrow(
        `/kubectl is not kubectl ${version}: its SHA-256 is ${digest}`,
      )
      expect(asked).toEqual([`/${version}/bin/${system}/kubectl`])
    },
  )

  test('is not downloaded for a system whose program is not known', async () => {
    await expect(realTools(env(), { 'v1.34.4': {} }).fetchKubectl(all)).rejects.toThrow(
      `there is no known kubectl for ${system}`,
    )
    expect(asked).toEqual([])
  })

  test('is not downloaded where there is no runner', async () => {
    expect(await realTools({ PATH: '' }).fetchKubectl(all)).toBeUndefined()
    expect(asked).toEqual([])
  })
})
