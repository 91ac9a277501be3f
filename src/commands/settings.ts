/** Reads the options of a run from its inputs and from the options file. */
import type { Command } from '../options/commands.js'
import { mistakenFile, noFile, readFileOptions, usualFile } from '../options/file.js'
import { readOptions, type RawInputs, type Reading } from '../options/read.js'
import type { Surface } from '../options/table.js'
import type { Files } from '../platform/platform.js'

export async function readSettings(
  command: Command,
  given: RawInputs,
  surface: Surface,
  files: Files,
): Promise<Reading> {
  const named = given['config']
  const path = named || usualFile
  let text: string | undefined
  try {
    text = await files.read(path)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const why = code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`
    return { is: 'wrong', problems: [`"config" "${path}" ${why}`] }
  }
  if (text === undefined && named) {
    const problem = `"config" "${named}" does not exist; is the repository checked out?`
    return { is: 'wrong', problems: [problem] }
  }
  if (text === undefined && (await files.read(mistakenFile)) !== undefined) {
    const problem = `${mistakenFile} is ignored: rename it to ${usualFile}, or set "config"`
    return { is: 'wrong', problems: [problem] }
  }
  const file = text === undefined ? noFile : readFileOptions(path, text)
  return readOptions(command, given, { surface, file })
}
