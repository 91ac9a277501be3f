/** A command of the user's in a Job of the new version: made as the migration's, of the web's own template. */
import { Failure, type Cause } from '../failure/failure.js'
import { titleOf } from '../undo/snapshot.js'
import type { ClusterContext } from './context.js'
import { FollowedJob } from './migration/followed-job.js'
import { createJob, makeCommandJob, type MigrationInput } from './migration/job.js'
import { alsoPassed, Output, passedBy } from './migration/log.js'
import { endsByItself, removeJob } from './migration/run.js'

/**
 * Runs the command to its end. Throws a Failure when it fails, or does not start. However this ends, it does not
 * continue.
 *
 * @param name what it is called in the failure: `before-rollout (python manage.py warm)`
 */
export async function runCommand(
  context: ClusterContext,
  input: Pick<MigrationInput, 'checked' | 'web' | 'image'>,
  command: string,
  name: string,
): Promise<void> {
  const { log } = context
  const { live } = input.checked
  const marker = `rollout-${crypto.randomUUID()}`
  const output = new Output(marker, () => ({ code: 'internal', sentence: 'no plan was requested' }))
  output.to(log)
  const made = await makeCommandJob(context, input, command, marker)
  made.notes.forEach((note) => {
    log.say(note)
  })
  let job = ''
  let followed: FollowedJob | undefined
  try {
    const created = await createJob(context, live, made.job, (name) => {
      job = name ?? ''
    })
    log.say(`${titleOf(created)}: ${name}`)
    followed = new FollowedJob(context, live, { job, container: input.web.container }, output)
    const { verdict, unread } = await followed.end
    if (verdict.is === 'failed') {
      const passed = passedBy(output, made)
      throw new Failure(alsoPassed(commandCause(verdict.cause, name, job), passed, command))
    }
    if (unread !== undefined)
      log.say(`its log could not be read completely (${unread}), but it succeeded`)
  } finally {
    try {
      const isOver = followed?.hasContainerEnded === true && !made.isCounted
      if (job !== '' && !(isOver && endsByItself(live, job, input.web.container)))
        await removeJob(context, live, job)
    } finally {
      await followed?.close()
    }
  }
}

/** What keeps a pod from starting keeps its code. */
function commandCause(cause: Cause, name: string, job: string): Cause {
  const isOwn = ['crash', 'migration-failed', 'timeout'].includes(cause.code)
  const sentence = cause.sentence.startsWith(`${job}: `)
    ? cause.sentence.slice(job.length + 2)
    : cause.sentence
  return {
    ...cause,
    ...(isOwn && { code: 'command-failed' as const }),
    sentence: `${name} failed: ${sentence}`,
  }
}
