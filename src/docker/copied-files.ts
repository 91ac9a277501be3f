/** Where files of a container come to lie, from our working folder: an absolute path loses its folders. */
import { basename, isAbsolute } from 'node:path/posix'

export function placeOfCopy(file: string): string {
  return isAbsolute(file) ? basename(file) : file
}
