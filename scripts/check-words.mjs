/**
 * Fails where a word that people no longer read in logs, options, help or docs is back (docs/glossary.md). The
 * identifiers of src are held by eslint's id-denylist.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Each old word, and the one that took its place. */
const replaced = [
  [/\bsettle[sd]?\b(?!\))(?!\()/i, 'recover'],
  [/\bovertaken\b/, 'stale-commit'],
  [/\brehearsal\b/, 'dryRun'],
  [/\bjudgedAt\b/, 'detectedAt'],
  [/\bundone\[\]/, 'restored[]'],
  [/\bfindings\[\]\.(is|says|mend)\b/, 'severity, message, fix'],
  [
    /Who is told|What to go back to|The run itself/,
    'Notifications, Rollback, Output and configuration',
  ],
  // Phrases of no manual that people read today.
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\bwhoever\b/i, 'everyone who, the process that'],
  [/\bsomebody\b/i, 'another client, a user'],
  [/\bfor want of\b/i, 'because … is missing'],
  [/\bperson is needed\b/i, 'manual action is required'],
  [/\bwhat to do: /, 'hint:'],
  [/\bput(s|ting)? (everything |it |them )?back\b/i, 'restore'],
  [/\b(is|are|was|were|be) told\b/i, 'is reported, is logged, is set'],
  [/\ball the same\b/i, 'still'],
  [/\banew\b(?!\()/i, 'again'],
  [/\bis to (be|have|stay|go)\b/i, 'must'],
  [/\bnot looked at\b/i, 'skipped'],
  [/\bhas it not\b/i, 'does not have it'],
  [/\bgood answer\b/i, 'successful answer'],
  [/\bis in between\b/i, 'is inconsistent'],
  [/\btheirs\b(?! *[=,])/i, 'the other change'],
  [/\btrouble=/, 'symptom='],
]

const read = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs', 'examples', 'actions', 'workflows'],
  ...['action.yml', 'django-rollout.schema.json', 'CHANGELOG.md', 'src'],
]
const files = execFileSync('git', ['ls-files', '--', ...read], { encoding: 'utf8' })
const found = files
  .split('\n')
  .filter((file) => /\.(md|yml|yaml|json|ts)$/.test(file) && !file.includes('.generated.'))
  .flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line, i) =>
        replaced
          .filter(([old]) => old.test(line))
          .map(([old, word]) => `${file}:${i + 1}: "${old.exec(line)?.[0]}" is "${word}" now`),
      ),
  )
if (found.length > 0) {
  console.error(found.join('\n'))
  process.exitCode = 1
}
