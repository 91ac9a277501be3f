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
const tools = () => realTools(env(), { [system]: digest })

describe('a missing kubectl', () => {
  test('is downloaded once, made executable, and then found in the tool cache', async () => {
    const path = (await tools().fetchKubectl()) ?? ''
    expect(readFileSync(path, 'utf8')).toBe(program)
    expect(asked).toEqual([`/v1.34.4/bin/${system}/kubectl`])
    asked = []
    expect(await tools().fetchKubectl()).toBe(path)
    expect(asked).toEqual([])
  })

  test('is downloaded again where the one in the tool cache was replaced', async () => {
    const path = (await tools().fetchKubectl()) ?? ''
    writeFileSync(path, '#!/bin/sh\necho another\n')
    expect(readFileSync((await tools().fetchKubectl()) ?? '', 'utf8')).toBe(program)
  })

  test('is refused when it is not the one that is known, whatever the server says of it', async () => {
    await expect(realTools(env()).fetchKubectl()).rejects.toThrow(
      `/kubectl is not kubectl 1.34.4: its SHA-256 is ${digest}`,
    )
    expect(asked).toEqual([`/v1.34.4/bin/${system}/kubectl`])
  })

  test('is not downloaded for a system whose program is not known', async () => {
    await expect(realTools(env(), {}).fetchKubectl()).rejects.toThrow(
      `there is no known kubectl for ${system}`,
    )
    expect(asked).toEqual([])
  })

  test('is not downloaded where there is no runner', async () => {
    const { fetchKubectl } = realTools({ PATH: '' })
    expect(await fetchKubectl()).toBeUndefined()
    expect(asked).toEqual([])
  })
})
