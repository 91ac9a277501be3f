/**
 * What each case has to end as: its `expected` as checks. Each end that `expected` calls right passes, each
 * that it calls wrong fails, whatever the words are. By the name of the case, then by its form.
 */
import {
  all,
  either,
  neverSays,
  neverStands,
  run,
  runsTag,
  says,
  current,
  that,
  type Check,
} from './checks.js'
import type { Told } from './told.js'

/** The script's FORMs; a script without them has the one form ''. */
export type Forms = Readonly<Record<string, Check>>

/** A sentence that holds the words, in any order. */
function sentence(...words: readonly RegExp[]): (text: string) => boolean {
  return (text) => text.split('\n').some((line) => words.every((word) => word.test(line)))
}

/** What the script has seen after a line of its own that starts so, up to the next one of `until`. */
function after(told: Told, start: RegExp, until?: RegExp): string {
  const lines = told.output.split('\n')
  const from = lines.findIndex((line) => start.test(line))
  if (from < 0) return ''
  const rest = lines.slice(from + 1)
  const to = until ? rest.findIndex((line) => until.test(line)) : -1
  return (to < 0 ? rest : rest.slice(0, to)).join('\n')
}

/** The last match of a line that the script repeats. */
function last(pattern: RegExp, text: string): RegExpExecArray | undefined {
  return [...text.matchAll(new RegExp(pattern, 'gm'))].at(-1)
}

const refused = (n: number) => run(n).ends(1, 2)
const deployed = (n: number) => run(n).ends(0)

/** A phase of job-in-the-manifests: `a`, `b`, `c`. */
function jobPhase(n: number, name: string): Check {
  const phase = (told: Told) => after(told, new RegExp(`^--- ${name}:`), /^--- [a-z]:/)
  const isTold = that(`run ${n} says what to do about the Job`, ({ runs }) =>
    sentence(/\bseed\b/i)(runs[n - 1]?.output ?? ''),
  )
  return all(
    isTold,
    that(
      `no Job of phase ${name} has an image that cannot be pulled`,
      (told) => !/ErrImage|ImagePull|InvalidImage/.test(phase(told)),
    ),
    either(refused(n), deployed(n)),
  )
}

/** service/web of service-changes-with-its-pods. */
const neverWithoutEndpoint = all(
  says(/ready endpoints of service\/web: \d/),
  neverSays(/ready endpoints of service\/web: NONE/),
)

/** The last look of secret-rotated-meanwhile. */
const othersKept: Check = all(
  that('the end is: rotated, old, another-tool', ({ output }) => {
    const line = last(/^secret\/db: (.*); configmap\/conf: (.*); configmap\/extra: (.*)$/, output)
    return line?.slice(1).join() === 'rotated,old,another-tool'
  }),
  says(/^.*secret\/db(?!: ).*$/m),
  says(/^.*configmap\/extra(?!: ).*$/m),
)

/** record-is-untrusted: what belongs to others is as they have made it. */
const othersUntouched = all(
  current(/^victim +of-others$/m),
  current(/^doomed +of-others$/m),
  neverStands(/^pwned\b/m),
)
const unreadable: Check = all(
  othersUntouched,
  ...[1, 2].flatMap((n) => [
    run(n).fails,
    run(n).says(/secret[/ ]"?django-rollout-/i),
    run(n).says(/kubectl .*delete secret|django-rollout recover/),
    run(n).neverSays(/TypeError/),
  ]),
)

const refusesTheImage = (theirs: RegExp): Check =>
  all(
    run(1).ends(1),
    that('run 1 names the manifest, web, its image and the one that runs', ({ runs, image }) => {
      const text = runs[0]?.output ?? ''
      return (
        text.includes('web.yaml') &&
        /\bweb\b/.test(text) &&
        theirs.test(text) &&
        text.includes(`${image}:v1`)
      )
    }),
    that("web's template never has the image of the file", (told) => {
      const over = after(told, /^web's image over time:/, /^afterwards:/)
      const images = over.split('\n').filter((line) => /^(ADDED|MODIFIED)/.test(line))
      return images.length > 0 && images.every((line) => line.includes(`${told.image}:v`))
    }),
    run(3).ends(0),
  )

export const expectations: Readonly<Record<string, Forms>> = {
  'busybox-setpriv': {
    '': all(
      current(/^BusyBox /m),
      says(/^kubectl was called$/m),
      neverSays(/unrecognized option|invalid option/),
      says(/cluster|API server/),
      says(/^exit [1-9]/m),
    ),
  },

  'claim-of-one-pod': {
    '': all(
      neverSays(/unschedulable/),
      either(
        all(deployed(1), current(/^media +Bound/m)),
        // Told before it waits: the claim, and why.
        all(refused(1), run(1).says(/media/), run(1).says(/ReadWriteOncePod|one pod/)),
      ),
    ),
  },

  'custom-migrate-command-failed': Object.fromEntries(
    [
      ['a', /the rates cannot be read/],
      ['b', /schema tenant: relation is locked/],
    ].map(([form, error]) => [
      form as string,
      all(
        ...[run(1).fails, run(1).says(error as RegExp), runsTag('v1'), run(2).fails],
        either(
          run(2).says(error as RegExp),
          that('run 2 says that the command of the last release failed half way', ({ runs }) =>
            sentence(/migrate-command/, /failed|half/)(runs[1]?.output ?? ''),
          ),
        ),
      ),
    ]),
  ),

  'job-in-the-manifests': {
    '': all(
      ...['a', 'b', 'c'].map((name, index) => jobPhase(index + 1, name)),
      neverSays(/field is immutable/),
      that('the Job of v2 runs v2, where there is one', (told) => {
        const phase = after(told, /^--- b:/, /^--- c:/)
        return !phase.includes('seeded by v1') && !phase.includes(`${told.image}:v1`)
      }),
      that('each Job that a release has made is done', (told) =>
        told.seen
          .split('\n')
          .filter((line) => line.startsWith('job.batch/') && !line.endsWith('deleted'))
          .every((line) => / Complete | 1\/1 /.test(line)),
      ),
    ),
  },

  'jobs-of-a-withdrawn-cronjob': {
    '': all(
      run(1).ends(1),
      current(/:v1(@\S+)?$/m),
      that('a Job of the bad version has begun', ({ output }) => /tick-\d+/.test(output)),
      that('each Job of the bad version is named', ({ seen, runs }) =>
        [...seen.matchAll(/^(tick-\d+) +\S+:bad\S* +1$/gm)].every(([, name = '']) =>
          runs[0]?.output.includes(name),
        ),
      ),
      run(1).says(/tick-\d+/),
    ),
  },

  'kept-database-needs-its-config': {
    conf: all(
      run(1).fails,
      neverSays(/non-existent config key/),
      current(/^db-0 +1\/1 +Running/m),
      that('db-conf has what statefulset/db wants', ({ output }) => {
        const [, has = '', wants = ''] =
          last(/^configmap\/db-conf: (.*); statefulset\/db wants: (.*)$/, output) ?? []
        return wants !== '' && wants.split(' ').every((key) => has.includes(`"${key}"`))
      }),
      either(
        that('statefulset/db went back', ({ output }) =>
          /statefulset\/db wants: a\.conf$/m.test(output),
        ),
        all(
          run(1).says(/statefulset\/db.*(kept|stays|keep)|(kept|stays|keep).*statefulset\/db/),
          run(1).says(/configmap\/db-conf/),
          that('the end does not say plainly "verified"', ({ runs }) => {
            const ends =
              runs[0]?.output.split('\n').filter((line) => line.includes('verified')) ?? []
            return ends.every((line) => /kept|but|without|not |except|statefulset\/db/.test(line))
          }),
        ),
      ),
    ),
    typo: either(
      all(run(1).fails, current(/^db-0 +1\/1 +Running/m)),
      all(run(1).ends(3), run(1).says(/statefulset\/db/)),
    ),
  },

  'label-decides-the-database': Object.fromEntries(
    ['a', 'b'].map((form) => [
      form,
      all(
        neverStands(/^shop_: .*stock/m),
        either(
          all(deployed(1), runsTag('v2'), current(/^shop_eu: .*stock_two/m)),
          all(refused(1), run(1).says(/label/), run(1).says(/shard/i), runsTag('v1')),
        ),
      ),
    ]),
  ),

  'manage-py-and-wsgi-differ': {
    a: either(
      all(deployed(2), runsTag('v2'), current(/^shop: .*stock_two/m), current(/^page: 200$/m)),
      all(
        ...[refused(2), runsTag('v1'), run(2).says(/entrypoint/i)],
        run(2).says(/migrate-command.*\/app\/entrypoint python manage\.py migrate/),
      ),
    ),
    b: either(
      all(deployed(2), runsTag('v2'), current(/^shop: .*stock_two/m), current(/^page: 200$/m)),
      all(refused(2), runsTag('v1'), current(/^page: 200$/m)),
    ),
  },

  'manifest-names-another-image': {
    a: refusesTheImage(/-legacy:1\.0/),
    b: refusesTheImage(/\$\{IMAGE\}/),
    c: refusesTheImage(/image/),
  },

  'record-is-untrusted': {
    other: all(othersUntouched, run(1).fails, run(1).says(/record|secret\/django-rollout-/)),
    gzip: unreadable,
    shape: unreadable,
  },

  'replicas-in-last-applied': {
    '': all(
      deployed(1),
      current(/^replicas in last-applied: null; live: 3$/m),
      current(/^after kubectl apply by hand: 3$/m),
    ),
  },

  'role-by-resource-names': { '': all(deployed(1), runsTag('v2')) },

  'rollback-over-a-changed-command': {
    '': all(
      ...[deployed(1), deployed(2)],
      either(
        all(
          run(4).ends(0),
          that("v1 runs with v1's command", (told) => {
            const before = after(told, /^\$ django-rollout rollback --bake/, /^and by kubectl:/)
            const line = before.split('\n').find((one) => one.startsWith(told.image)) ?? ''
            return line.startsWith(`${told.image}:v1`) && line.includes('["python","/app.py"]')
          }),
        ),
        all(...[3, 4].map((n) => run(n).says(/command.*(changed|differs|other)|only the image/))),
      ),
    ),
  },

  'same-commit-other-build-args': {
    '': all(
      deployed(1),
      that('the first namespace has SITE=a', ({ seen, namespace }) =>
        seen.includes(`${namespace}: SITE=a`),
      ),
      either(
        all(
          deployed(2),
          that('the second namespace has SITE=b', ({ seen, namespace }) =>
            seen.includes(`${namespace}-b: SITE=b`),
          ),
        ),
        all(refused(2), run(2).says(/build-args|SITE/)),
      ),
    ),
  },

  'secret-changed-same-image': {
    '': all(
      ...[deployed(1), deployed(2), current(/two is in the Secret$/m)],
      either(
        current(/^in the pods: (two )+$/m),
        all(run(2).says(/deployment\/web/), run(2).says(/rollout restart/)),
      ),
    ),
  },

  'secret-rotated-meanwhile': {
    settle: all(othersKept, runsTag('v1')),
    next: all(
      othersKept,
      either(all(deployed(2), runsTag('v2')), all(run(2).fails, runsTag('v1'))),
    ),
    run: all(othersKept, runsTag('v1'), run(1).fails),
  },

  'service-changes-with-its-pods': {
    ok: either(
      all(neverWithoutEndpoint, deployed(1)),
      all(neverWithoutEndpoint, refused(1), run(1).says(/service\/web|Service "?web/)),
      all(deployed(1), run(1).says(/(service\/web|Service "?web).*(no pod|endpoint|select)/)),
    ),
    plan: all(neverWithoutEndpoint, run(1).fails),
  },

  'smoke-behind-ssl-redirect': {
    '': either(
      all(run(1).fails, runsTag('v1')),
      run(1).says(/redirect.*(proves|nothing|only)|only .*redirect/),
    ),
  },

  'two-beats': {
    '': all(
      ...[1, 2].flatMap((n) => [run(n).says(/\bbeat\b/), run(n).says(/Recreate|maxSurge/)]),
      deployed(2),
    ),
  },

  'two-images-with-one-last-part': {
    '': all(
      deployed(1),
      either(all(run(2).ends(2), run(2).says(/\bapp\b/)), deployed(2)),
      // Its first release found v1-front running.
      run(4).ends(0),
      current(/^front +\S+\/front\/web:v1-front/m),
      run(3).ends(0),
      run(3).neverSays(/-back\b/),
      run(3).says(/v2-front/),
      neverStands(/^back +\S+\/back\/web:\S*front/m),
    ),
  },
}
