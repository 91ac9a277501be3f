/** XML as data, by a parser that takes nothing but well-formed documents. */
import { SaxesParser } from 'saxes'

export interface Node {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly Node[]
  readonly text: string
}

/** Throws an Error with line and column where the text is not XML. */
export function readXml(text: string): Node {
  const parser = new SaxesParser()
  const root = { children: [] as Node[], text: '' }
  const open: { children: Node[]; text: string }[] = [root]
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', ({ name, attributes }) => {
    const node = { name, attributes, children: [], text: '' }
    open.at(-1)?.children.push(node)
    open.push(node)
  })
  parser.on('text', (more) => {
    const node = open.at(-1)
    if (node) node.text += more
  })
  parser.on('closetag', () => {
    open.pop()
  })
  parser.write(text).close()
  const [only] = root.children
  if (!only) throw new Error('an empty document')
  return only
}

/** All elements of that name, however deep. */
export function all(node: Node, name: string): readonly Node[] {
  return [
    ...(node.name === name ? [node] : []),
    ...node.children.flatMap((child) => all(child, name)),
  ]
}
