import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realTools } from '../../src/platform/tools.js'

const program = '#!/bin/sh\necho kubectl\n'
let server: Server
let url: string
let asked: string[]
let checksum: string
let home: string

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end(request.url?.endsWith('.sha256') ? `${checksum}  kubectl\n` : program)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => void server.close())

beforeEach(() => {
  asked = []
  checksum = createHash('sha256').update(program).digest('hex')
  home = mkdtempSync(join(tmpdir(), 'tools-'))
  // tool-cache reads the runner's variables from the process itself.
  process.env['RUNNER_TOOL_CACHE'] = join(home, 'cache')
  process.env['RUNNER_TEMP'] = join(home, 'temp')
})

afterEach(() => {
  rmSync(home, { recursive: true })
})

const tools = () => realTools({ ...process.env, KUBECTL_DOWNLOAD_URL: url })

describe('a missing kubectl', () => {
  test('is downloaded once, made executable, and then found in the tool cache', async () => {
    const path = (await tools().fetchKubectl()) ?? ''
    expect(readFileSync(path, 'utf8')).toBe(program)
    expect(asked.map((one) => one.replace(/\/bin\/.*\/kubectl/, '/…/kubectl')).sort()).toEqual([
      '/v1.34.4/…/kubectl',
      '/v1.34.4/…/kubectl.sha256',
    ])
    asked = []
    expect(await tools().fetchKubectl()).toBe(path)
    expect(asked).toEqual([])
  })

  test('is rejected when its checksum differs', async () => {
    checksum = 'f'.repeat(64)
    await expect(tools().fetchKubectl()).rejects.toThrow('does not match its published checksum')
  })

  test('is not downloaded where there is no runner', async () => {
    const { fetchKubectl } = realTools({ PATH: '' })
    expect(await fetchKubectl()).toBeUndefined()
    expect(asked).toEqual([])
  })
})
