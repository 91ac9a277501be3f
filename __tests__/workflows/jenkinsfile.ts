/**
 * Reads a declarative Jenkinsfile, as far as ours go: what it does not understand is an Error, never left out.
 * Groovy's double quotes are none of it: between them a secret would become part of a script.
 */

export interface Stage {
  readonly name: string
  readonly runs: (build: Build) => boolean
  readonly steps: readonly Step[]
}

export type Step =
  | { readonly is: 'sh'; readonly script: string; readonly credentials: readonly Credential[] }
  | { readonly is: 'junit'; readonly files: string }

/** What `withCredentials` gives to the steps in it: variables of the credential `id`. */
export type Credential =
  | { readonly is: 'file'; readonly id: string; readonly variable: string }
  | {
      readonly is: 'usernamePassword'
      readonly id: string
      readonly username: string
      readonly password: string
    }

export interface Build {
  readonly branch: string
  readonly parameters: Readonly<Record<string, string>>
}

export interface Pipeline {
  readonly options: readonly string[]
  /** With the value that each has when nothing else is chosen. */
  readonly parameters: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string>>
  /** In their order; those of a stage of stages run when it does. */
  readonly stages: readonly Stage[]
  readonly afterwards: readonly Step[]
}

export function readJenkinsfile(text: string): Pipeline {
  const [pipeline, ...more] = parse(text)
  if (pipeline?.name !== 'pipeline' || more.length > 0) throw new Error('not one pipeline')
  const parts = partsOf(pipeline, [
    ...['agent', 'options', 'parameters', 'environment', 'stages', 'post'],
  ])
  const post = parts['post'] && partsOf(parts['post'], ['always'])
  return {
    options: bodyOf(parts['options']).map(({ name }) => name),
    parameters: Object.fromEntries(bodyOf(parts['parameters']).map(parameterOf)),
    environment: Object.fromEntries(
      bodyOf(parts['environment']).map(({ name, set }) => [name, textOf(set)]),
    ),
    stages: bodyOf(parts['stages']).flatMap((stage) => stagesOf(stage, [])),
    afterwards: bodyOf(post?.['always']).flatMap((step) => stepsOf(step, [])),
  }
}

type Condition = (build: Build) => boolean

function stagesOf(statement: Statement, withTimeout: readonly Condition[]): readonly Stage[] {
  if (statement.name !== 'stage') throw unknown(statement)
  const { when, steps, stages } = partsOf(statement, ['when', 'steps', 'stages'])
  const conditions = [...withTimeout, ...bodyOf(when).map(conditionOf)]
  if (stages) return bodyOf(stages).flatMap((stage) => stagesOf(stage, conditions))
  return [
    {
      name: textOf(statement.args['0']),
      runs: (build) => conditions.every((condition) => condition(build)),
      steps: bodyOf(steps).flatMap((step) => stepsOf(step, [])),
    },
  ]
}

function conditionOf(statement: Statement): Condition {
  const { name, args, body = [] } = statement
  const [inner] = body
  if (name === 'not' && inner && body.length === 1) {
    const condition = conditionOf(inner)
    return (build) => !condition(build)
  }
  if (name === 'branch') {
    const wanted = textOf(args['0'])
    return ({ branch }) => branch === wanted
  }
  const { expected, actual } = args
  if (name === 'equals' && actual?.is === 'name' && actual.name.startsWith('params.')) {
    const wanted = textOf(expected)
    const parameter = actual.name.slice('params.'.length)
    return ({ parameters }) => {
      if (!(parameter in parameters)) throw new Error(`no parameter ${parameter}`)
      return parameters[parameter] === wanted
    }
  }
  throw unknown(statement)
}

function stepsOf(statement: Statement, credentials: readonly Credential[]): readonly Step[] {
  const { name, args, body } = statement
  if (name === 'sh' && !body) return [{ is: 'sh', script: textOf(args['0']), credentials }]
  if (name === 'junit' && !body) return [{ is: 'junit', files: textOf(args['testResults']) }]
  if (name === 'withCredentials' && body && args['0']?.is === 'list') {
    const given = args['0'].values.map(credentialOf)
    return body.flatMap((step) => stepsOf(step, [...credentials, ...given]))
  }
  throw unknown(statement)
}

function credentialOf(value: Value): Credential {
  if (value.is !== 'call') throw new Error(`no credential: ${JSON.stringify(value)}`)
  const { name, args } = value.call
  const id = textOf(args['credentialsId'])
  if (name === 'file') return { is: name, id, variable: textOf(args['variable']) }
  if (name !== 'usernamePassword') throw unknown(value.call)
  return {
    ...{ is: name, id },
    username: textOf(args['usernameVariable']),
    password: textOf(args['passwordVariable']),
  }
}

function parameterOf(statement: Statement): readonly [string, string] {
  const { name, args } = statement
  const { choices } = args
  if (name === 'string') return [textOf(args['name']), textOf(args['defaultValue'])]
  if (name === 'choice' && choices?.is === 'list') {
    return [textOf(args['name']), textOf(choices.values[0])]
  }
  throw unknown(statement)
}

function partsOf(
  statement: Statement,
  known: readonly string[],
): Readonly<Partial<Record<string, Statement>>> {
  const names = bodyOf(statement).map(({ name }) => name)
  const strange = names.find((name, at) => !known.includes(name) || names.indexOf(name) !== at)
  if (strange !== undefined) throw new Error(`${statement.name}: ${strange} is not understood here`)
  return Object.fromEntries(bodyOf(statement).map((part) => [part.name, part]))
}

function bodyOf(statement: Statement | undefined): readonly Statement[] {
  if (statement && !statement.body) throw unknown(statement)
  return statement?.body ?? []
}

function textOf(value: Value | undefined): string {
  if (value?.is !== 'text') throw new Error(`no text: ${JSON.stringify(value)}`)
  return value.text
}

function unknown({ name, line }: Statement): Error {
  return new Error(`line ${line}: ${name} is not understood here`)
}

// Groovy, as far as it goes: `name args { … }` and `NAME = 'text'`.

interface Statement {
  readonly name: string
  readonly line: number
  /** By name, or by place: '0', '1'. */
  readonly args: Readonly<Partial<Record<string, Value>>>
  /** What the name is set to. */
  readonly set?: Value
  readonly body?: readonly Statement[]
}

type Value =
  | { readonly is: 'text'; readonly text: string }
  | { readonly is: 'name'; readonly name: string }
  | { readonly is: 'list'; readonly values: readonly Value[] }
  | { readonly is: 'call'; readonly call: Statement }

interface Token {
  readonly is: 'text' | 'name' | 'sign'
  readonly text: string
  readonly line: number
}

const lexemes =
  /(?<skip>\s+|\/\/[^\n]*)|'''(?<long>[^\\]*?)'''|'(?<short>[^'\\\n]*)'|(?<name>[A-Za-z_][\w.]*)|(?<sign>[{}()[\],:=])/y

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  lexemes.lastIndex = 0
  for (let at = 0; at < text.length; at = lexemes.lastIndex) {
    const line = text.slice(0, at).split('\n').length
    const { groups = {} } = lexemes.exec(text) ?? {}
    const string = groups['long'] ?? groups['short']
    if (string !== undefined) tokens.push({ is: 'text', text: string, line })
    else if (groups['name']) tokens.push({ is: 'name', text: groups['name'], line })
    else if (groups['sign']) tokens.push({ is: 'sign', text: groups['sign'], line })
    else if (!groups['skip']) throw new Error(`line ${line}: ${text.slice(at, at + 20)}`)
  }
  return tokens
}

function parse(text: string): readonly Statement[] {
  const tokens = tokensOf(text)
  const isNext = (sign: string) => tokens[0]?.is === 'sign' && tokens[0].text === sign
  const take = (): Token => {
    const token = tokens.shift()
    if (!token) throw new Error('it ends too soon')
    return token
  }
  const expect = (sign: string) => {
    const { is, text: found, line } = take()
    if (is !== 'sign' || found !== sign) throw new Error(`line ${line}: ${found} for ${sign}`)
  }
  const value = (): Value => {
    const token = take()
    if (token.is === 'text') return { is: 'text', text: token.text }
    if (token.is === 'name') {
      if (!isNext('(')) return { is: 'name', name: token.text }
      return { is: 'call', call: { name: token.text, line: token.line, args: inBrackets() } }
    }
    if (token.text !== '[') throw new Error(`line ${token.line}: ${token.text} is no value`)
    const values: Value[] = []
    while (!isNext(']')) {
      values.push(value())
      if (!isNext(']')) expect(',')
    }
    expect(']')
    return { is: 'list', values }
  }
  const inBrackets = () => {
    expect('(')
    const args = isNext(')') ? {} : listed()
    expect(')')
    return args
  }
  const listed = () => {
    const args: Record<string, Value> = {}
    for (let at = 0; ; at += 1) {
      const named = tokens[0]?.is === 'name' && tokens[1]?.is === 'sign' && tokens[1].text === ':'
      const key = named ? take().text : String(at)
      if (named) expect(':')
      args[key] = value()
      if (!isNext(',')) return args
      expect(',')
    }
  }
  const block = () => {
    const body: Statement[] = []
    while (tokens.length > 0 && !isNext('}')) body.push(statement())
    return body
  }
  const statement = (): Statement => {
    const { is, text: name, line } = take()
    if (is !== 'name') throw new Error(`line ${line}: ${name} begins no statement`)
    if (isNext('=')) {
      expect('=')
      return { name, line, args: {}, set: value() }
    }
    const bare = tokens[0]?.line === line && !isNext('{') && !isNext('}')
    const args = isNext('(') ? inBrackets() : bare ? listed() : {}
    if (!isNext('{')) return { name, line, args }
    expect('{')
    const body = block()
    expect('}')
    return { name, line, args, body }
  }
  const all = block()
  if (tokens.length > 0) throw new Error(`line ${take().line}: } without {`)
  return all
}
