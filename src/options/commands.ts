/** The commands, and groups of them with something in common: what an option of the table is `on`. */
export const commands = [
  'release',
  'build',
  'test',
  'plan',
  'migrate',
  'deploy',
  'rollback',
  'history',
  'recover',
  'doctor',
] as const
export type Command = (typeof commands)[number]
export type ReleaseCommand = 'release' | 'deploy'

/** Those that are actions too; `release` is the root one. */
export const actions = [
  'release',
  'build',
  'test',
  'plan',
  'migrate',
  'deploy',
  'rollback',
] as const

export const inCluster = [
  'release',
  'plan',
  'migrate',
  'deploy',
  'rollback',
  'history',
  'recover',
  'doctor',
] as const
/** Those that take the lock, and may leave something open when they are killed. */
export const locking = ['release', 'migrate', 'deploy', 'rollback', 'recover'] as const
export const registry = [
  'release',
  'build',
  'test',
  'plan',
  'migrate',
  'deploy',
  'rollback',
  'doctor',
] as const
export const rolling = ['release', 'deploy', 'rollback'] as const
export const notifying = ['release', 'deploy', 'rollback', 'recover'] as const
export const releasing = ['release', 'deploy'] as const
export const migrating = ['release', 'migrate', 'deploy'] as const
/** Those that start a Job which lists the migrations. */
export const planning = ['plan', ...migrating] as const
export const ofCommit = ['release', 'build', 'test', 'plan', 'migrate', 'deploy', 'doctor'] as const
export const ready = ['test', 'plan', 'migrate', 'deploy'] as const
export const inCheckout = ['release', 'build', 'test', 'doctor'] as const
export const building = ['release', 'build'] as const
export const testing = ['release', 'test'] as const
