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

/** The same for words that are also identifiers: read in prose alone. */
const replacedInProse = [
  [/\btroubles?\b/i, 'symptom, failure, error'],
  [/\b(tells|telling)\b/i, 'reports, shows, prints'],
  [/(?<!\d )\b(nobody|anybody)\b(?!['’`])/i, 'no client, no user'],
  [/\bpatien(ce|tly)\b/i, 'timeout'],
  [/\bhopeless\b/i, 'permanent'],
  [/\bledger\b/i, 'observations'],
  [
    /\bof (its|their|his|her|one's) own\b(?=[.,:;)"'`]|$| (to|for|and|which|that|in|on|at|before|behind|after|leave|lets)\b)/i,
    'its own …',
  ],
  [/\bstand(s|ing)? (in\b|behind|below|above|before|beside|still)/i, 'is in, is after, replaces'],
  [/\bstood (in\b|behind|below|above|before|beside|still|there)/i, 'was in, existed'],
  [/\b(is|are|was|were|be|been) asked\b/i, 'is requested, is looked up, is called'],
  [/\blooked (at|after|around)\b/i, 'checked, read'],
  [/\b(are|was|were) to (be|have|stay|go|bring|fail)\b/i, 'must, should have'],
  [/\b(brings?|brought) (it |them )?back\b/i, 'restores'],
  [/\b(goes?|went|going) (its|their) way\b/i, 'continues, succeeds'],
  [/\b(come|comes|came) to a good end\b/i, 'succeeds'],
  [/\bhad better\b/i, 'should'],
]

const read = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs', 'examples', 'actions', 'workflows'],
  ...['action.yml', 'django-rollout.schema.json', 'CHANGELOG.md', 'src', 'Makefile', 'scripts'],
  ...['cluster', '.github'],
]
const listed = execFileSync('git', ['ls-files', '--', ...read], { encoding: 'utf8' })
const files = listed
  .split('\n')
  .filter((file) =>
    /\.(md|ya?ml|json|ts|mjs|py|sh)$|(^|\/)(Makefile|Dockerfile|Jenkinsfile)$/.test(file),
  )
  .filter((file) => !file.includes('.generated.') && file !== 'scripts/check-words.mjs')

const found = files.flatMap((file) => {
  const lines = readFileSync(file, 'utf8').split('\n')
  const prose = proseOf(file, lines)
  return lines.flatMap((line, i) =>
    [
      ...wordsIn(isInspector(file) ? prose[i] : line, replaced),
      ...wordsIn(prose[i], replacedInProse),
    ].map(([old, word]) => `${file}:${i + 1}: "${old}" is "${word}" now`),
  )
})
if (found.length > 0) {
  console.error(found.join('\n'))
  process.exitCode = 1
}

function wordsIn(text, words) {
  return words.flatMap(([old, word]) => {
    const match = old.exec(text)
    return match ? [[match[0], word]] : []
  })
}

/** Of the inspector people read only the sentences that it sends. */
function isInspector(file) {
  return file.startsWith('src/django/rollout_inspector/')
}

/** Returns what people read of each line: of code its comments, and its texts of several words. */
function proseOf(file, lines) {
  if (/\.(md|ya?ml|json)$/.test(file)) return lines
  const comment = /\.(ts|mjs)$/.test(file)
    ? /(^|\s)(\/\/|\/\*|\*(?=\s)).*/
    : /(^|\s|@)#(?=\s).*|\/\/ .*/
  let isInDocstring = false
  return lines.map((line) => {
    const quotes = file.endsWith('.py') ? line.split('"""').length - 1 : 0
    const isDocstring = isInDocstring || quotes > 0
    if (quotes === 1) isInDocstring = !isInDocstring
    if (isInspector(file)) {
      const sentences = isDocstring ? [] : (line.match(/"(?:[^"\\]|\\.)*"/g) ?? [])
      return sentences.filter((text) => text.includes(' ')).join('\n')
    }
    if (isDocstring) return line
    const texts =
      line.replace(/\$\{[^}]*\}/g, '').match(/'[^']* [^']*'|"[^"]* [^"]*"|`[^`]* [^`]*`/g) ?? []
    return [comment.exec(line)?.[0] ?? '', ...texts].join('\n')
  })
}
