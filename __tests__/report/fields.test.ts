/** docs/report.md has the fields that reports have: all of them, and no others. */
import { expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { Report } from '../../src/report/report.js'

const pathOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** As the page writes them: `cause?`, `cause.logs[].lines`. */
const documented = [...readFileSync(pathOf('docs/report.md'), 'utf8').matchAll(/^\| `([^`]+)`/gm)]
  .map(([, field = '']) => field)
  .sort()

test('each field of the report type is on the page, and marked when it is optional', () => {
  const file = pathOf('src/report/report.ts')
  const program = ts.createProgram([file], {
    strict: true,
    target: ts.ScriptTarget.ES2022,
    types: [],
  })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(file)!
  const [report] = checker
    .getExportsOfModule(checker.getSymbolAtLocation(source)!)
    .filter(({ name }) => name === 'Report')

  const fieldsOf = (type: ts.Type, before: string): readonly string[] =>
    checker.getPropertiesOfType(type).flatMap((property) => {
      const path = before + property.name
      const mark = property.flags & ts.SymbolFlags.Optional ? '?' : ''
      const value = checker.getNonNullableType(checker.getTypeOfSymbol(property))
      return [path + mark, ...withTimeout(value, path)]
    })
  const withTimeout = (value: ts.Type, path: string): readonly string[] => {
    const [entry] = checker.isArrayType(value)
      ? checker.getTypeArguments(value as ts.TypeReference)
      : []
    if (entry) return withTimeout(entry, `${path}[]`)
    const isObject = value.flags & ts.TypeFlags.Object
    return isObject ? fieldsOf(value, `${path}.`) : []
  }
  expect(documented).toEqual([...fieldsOf(checker.getDeclaredTypeOfSymbol(report!), '')].sort())
})

test.each(['deployed', 'undone'])(
  'a real report of a release that was %s has only fields that the page lists',
  (name) => {
    const text = readFileSync(pathOf(`__tests__/fixtures/summary/${name}.json`), 'utf8')
    const pathsOf = (value: unknown, path: string): readonly string[] => {
      if (Array.isArray(value)) return value.flatMap((one) => pathsOf(one, `${path}[]`))
      if (typeof value !== 'object' || value === null) return [path]
      return Object.entries(value).flatMap(([key, one]) =>
        pathsOf(one, path === '' ? key : `${path}.${key}`),
      )
    }
    const known = documented.map((field) => field.replace('?', ''))
    const real = new Set(
      pathsOf(JSON.parse(text) as Report, '').map((path) => path.replace(/\[\]$/, '')),
    )
    expect([...real].filter((path) => !known.includes(path))).toEqual([])
  },
)
