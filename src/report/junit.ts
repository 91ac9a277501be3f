/** The report as JUnit XML, which GitLab and Jenkins show. Pure. */
import type { FailingTest, TestReport } from '../django/test-output.js'
import { pageOf, type Cause } from '../failure/failure.js'
import type { Report, StageReport } from './report.js'
import { evidence, printable } from './sentences.js'

/**
 * Two suites: the stages of the run, and the user's own tests where they ran. Of those only the failing ones
 * are known by name, so only they are cases; the suite's counts are those of the runner.
 *
 * Names are those of Jenkins' junit-10.xsd, and `file` besides, by which GitLab links a test to its source.
 */
export function junit(report: Report): string {
  const suites = [stagesOf(report), ...(report.tests ? [testsOf(report.tests)] : [])]
  return `<?xml version="1.0" encoding="UTF-8"?>\n${write(element('testsuites', {}, suites))}`
}

function stagesOf(report: Report): Element {
  const { command, cause, startedAt, seconds } = report
  const suite = `django-rollout ${command}`
  // What keeps the old version from being restored comes after the stage that had failed.
  const failed = report.stages.filter(({ ended }) => ended === 'failed')
  const guilty = cause?.code === 'restore-failed' ? failed.at(-1) : failed[0]
  const cases = report.stages.map((stage) =>
    element('testcase', { classname: suite, name: stage.name, time: stage.seconds.toFixed(3) }, [
      ...endOf(stage, stage === guilty ? cause : undefined),
    ]),
  )
  // A run may fail before its first stage, or be cancelled.
  const whole =
    cause && !guilty
      ? [element('testcase', { classname: suite, name: command }, [failureOf(cause)])]
      : []
  return element(
    'testsuite',
    {
      name: suite,
      tests: cases.length + whole.length,
      failures: failed.length + whole.length,
      errors: 0,
      skipped: report.stages.filter(({ ended }) => ended === 'stopped').length,
      time: seconds.toFixed(3),
      timestamp: new Date(startedAt).toISOString().slice(0, 19),
    },
    [...cases, ...whole],
  )
}

function endOf({ name, ended }: StageReport, cause: Cause | undefined): readonly Element[] {
  switch (ended) {
    case 'done':
      return []
    case 'stopped':
      return [element('skipped', { message: `${name} was stopped` })]
    case 'failed':
      return [cause ? failureOf(cause) : element('failure', { message: `${name} failed` })]
  }
}

/** GitLab shows the text, Jenkins the message above it. */
function failureOf(cause: Cause): Element {
  const { code, sentence, hint } = cause
  const lines = [
    sentence,
    ...evidence(cause).flatMap(({ title, lines: foreign }) => [
      '',
      ...(title === undefined ? [] : [`${title}:`]),
      ...foreign,
    ]),
    '',
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
    `more: ${pageOf(cause)}`,
  ]
  return element('failure', { type: code, message: sentence }, [lines.join('\n')])
}

function testsOf({ run, failures, errors, skipped, failing }: TestReport): Element {
  return element(
    'testsuite',
    { name: 'tests', tests: run, failures, errors, skipped },
    failing.map((test) =>
      element('testcase', { classname: 'tests', name: test.name, file: test.file }, [
        element(test.is, { message: test.message }, [[...placeOf(test), test.message].join(': ')]),
      ]),
    ),
  )
}

function placeOf({ file, line }: FailingTest): readonly string[] {
  return file === undefined ? [] : [line === undefined ? file : `${file}:${line}`]
}

interface Element {
  readonly name: string
  /** Those that are `undefined` are left out. */
  readonly attributes: Readonly<Record<string, string | number | undefined>>
  /** Elements, or one text. */
  readonly children: readonly (Element | string)[]
}

function element(
  name: string,
  attributes: Element['attributes'],
  children: Element['children'] = [],
): Element {
  return { name, attributes, children }
}

function write({ name, attributes, children }: Element, indent = ''): string {
  const given = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escaped(String(value)).replaceAll('\n', '&#10;')}"`)
  const head = `${indent}<${name}${given.join('')}`
  if (children.length === 0) return `${head}/>\n`
  const text = children.filter((child) => typeof child === 'string').map(escaped)
  const inner = children
    .filter((child) => typeof child !== 'string')
    .map((child) => write(child, `${indent}  `))
  return inner.length > 0
    ? `${head}>\n${inner.join('')}${indent}</${name}>\n`
    : `${head}>${text.join('')}</${name}>\n`
}

/** Foreign text as XML may hold it: no control characters, no halves of letters. */
function escaped(text: string): string {
  return text
    .split('\n')
    .map(printable)
    .join('\n')
    .toWellFormed()
    .replace(/[\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
