import { expect, test } from '@jest/globals'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const dist = fileURLToPath(new URL('../dist', import.meta.url))

test('the committed bundle is under 1.4 MB in all', () => {
  const bytes = readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(dist, name)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0)
  console.log(`dist: ${(bytes / 1e6).toFixed(2)} MB`)
  expect(bytes).toBeLessThan(1.4e6)
})
