/** The JSON Schema of django-rollout.yml, for editors. Pure. */
import type { Takes } from './readers.js'
import { table, type Option } from './table.js'

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json }

/** https://json-schema.org/draft-07: the one that all editors read. */
export function schema(): Json {
  const properties = Object.fromEntries(
    (Object.entries(table) as [string, Option<unknown>][])
      .filter(([name, { secret }]) => !secret && name !== 'config')
      .map(([name, { help, read, default: standard, example }]) => [
        name,
        {
          description: help,
          ...(standard && { default: standard }),
          ...(!example.includes('${{') && { examples: [example] }),
          ...formOf(read.takes),
        },
      ]),
  )
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'https://raw.githubusercontent.com/django-rollout/django-rollout/v1/django-rollout.schema.json',
    title: 'django-rollout.yml',
    type: 'object',
    additionalProperties: false,
    properties,
  }
}

const durationForm = {
  anyOf: [
    { type: 'string', pattern: '^(0|(\\d+(\\.\\d+)?(ms|s|m|h))+)$' },
    { type: 'integer', const: 0 },
  ],
} as const

/** A text that looks like a number is still a text: `tag: 12`. */
function textForm(pattern?: RegExp): Readonly<Record<string, Json>> {
  if (!pattern) return { type: ['string', 'number', 'boolean'] }
  const text = { type: 'string', pattern: pattern.source }
  const number = ['1.5', '1'].find((one) => pattern.test(one))
  if (number === undefined) return text
  return { anyOf: [text, { type: number === '1' ? 'integer' : 'number', minimum: 0 }] }
}

/** How YAML may have what an option takes. */
function formOf(takes: Takes): Readonly<Record<string, Json>> {
  switch (takes.is) {
    case 'text':
      return textForm(takes.pattern)
    case 'duration':
      return durationForm
    case 'yes or no':
      return { type: 'boolean' }
    case 'choice':
      return { enum: takes.of }
    case 'list':
      return { anyOf: [{ type: 'array', items: textForm(takes.pattern) }, { type: 'string' }] }
    case 'mapping': {
      const entries =
        takes.to === 'duration'
          ? {
              properties: Object.fromEntries(takes.of.map((name) => [name, durationForm])),
              additionalProperties: false,
            }
          : { additionalProperties: { type: ['string', 'number', 'boolean'] } }
      return { anyOf: [{ type: 'object', ...entries }, { type: 'string' }] }
    }
  }
}
