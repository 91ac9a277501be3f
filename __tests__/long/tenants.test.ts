/** The judge of migrations in a project with django-tenants, and what the code of each version really does in each schema. */
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Lab, withTenants } from '../migrations/lab.js'
import { expectedOfTenants, tenantCases } from '../migrations/tenant-cases.js'

let lab: Lab

beforeAll(async () => {
  lab = await Lab.make([withTenants])
})

afterAll(() => lab.remove())

test.each(tenantCases)('with a schema for each tenant: $name', async (one) => {
  expect(await lab.tenants(one)).toEqual(expectedOfTenants(one))
})
