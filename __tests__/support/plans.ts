/** Plans in which nothing is to be done: a test adds what it is about. */
import type { DatabasePlan } from '../../src/django/plan.js'

const both = {
  database: 'default',
  vendor: 'postgresql',
  vendorName: 'PostgreSQL',
  identity: { vendor: 'postgresql', name: 'shop', host: 'db', port: '5432', user: 'ada' },
  transactionalDdl: true,
  pending: [],
  squashed: [],
  applied: {},
  unknown: [],
}

/** Of one database, as it is read. */
export const databasePlan: DatabasePlan = {
  ...both,
  held: [],
  unheld: [],
  absent: [],
  bridges: [],
  earlierBridges: [],
  endedBridges: [],
}

/** The plan of one database, as the inspector prints it. */
export const printedPlan = (database: object = {}) => ({
  django: '5.2',
  python: '3.13',
  runs: true,
  databases: [{ ...both, ...database }],
})
