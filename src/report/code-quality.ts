/** The annotations of the cause in the form of GitLab's Code Quality reports. Pure. */
import { createHash } from 'node:crypto'
import type { Report } from './report.js'
import { printable } from './sentences.js'

/** https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format */
interface Issue {
  readonly description: string
  readonly check_name: string
  /** GitLab takes issues with the same one for the same issue, and shows one of them. */
  readonly fingerprint: string
  readonly severity: 'info' | 'minor' | 'major' | 'critical' | 'blocker'
  readonly location: { readonly path: string; readonly lines: { readonly begin: number } }
}

/** JSON; an empty list when nothing points at a line. */
export function codeQuality({ cause }: Report): string {
  const seen = new Map<string, number>()
  const issues = (cause?.annotations ?? []).map(({ file, line, title, message }): Issue => {
    // Neither line nor message: the same test that fails in the next run too is the same issue.
    const what = JSON.stringify([cause?.code, file, title])
    const nth = seen.get(what) ?? 0
    seen.set(what, nth + 1)
    return {
      description: printable(`${title}: ${message}`.replace(/\s+/g, ' ')),
      check_name: cause?.code ?? '',
      fingerprint: createHash('sha256').update(`${what} ${nth}`).digest('hex'),
      severity: 'blocker',
      location: { path: file, lines: { begin: line } },
    }
  })
  return `${JSON.stringify(issues, null, 2)}\n`
}
