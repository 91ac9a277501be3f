/** `make demo`: a field is removed by two releases, of which the second fails, while a client reads and writes. */
import { afterAll, expect, test } from '@jest/globals'
import { kubectl, must, stack } from '../e2e/stack.js'

afterAll(() => kubectl('delete', 'namespace', 'shop-demo', '--wait=false'))

test('the demo loses no request, and drops the column of a removed field by its next release', async () => {
  const output = await must('scripts/demo', [], { env: stack.env })
  expect(output).toMatch(/A client read and wrote [1-9]\d* times meanwhile; 0 requests failed\./)
  expect(output).toContain(
    'The column of the removed field: there after release 2, gone after release 3',
  )
})
