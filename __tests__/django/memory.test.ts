/** Whether the project has room in memory twice, by the files of the kernel. */
import { expect, test } from '@jest/globals'
import { answersTo } from '../support/inspector.js'

const [page, MiB] = [4096, 1024 * 1024]
interface Pod {
  /** MiB, of the project and of the node. */
  readonly own?: number
  readonly free?: number
  /** Of its control group: the limit, and what is used of it. */
  readonly files?: Readonly<Record<string, string>>
}
const v2 = (limit: string, used: number) => ({
  'sys/fs/cgroup/memory.max': `${limit}\n`,
  'sys/fs/cgroup/memory.current': `${used * MiB}\n`,
})
const v1 = (limit: string, used: number) => ({
  'sys/fs/cgroup/memory/memory.limit_in_bytes': `${limit}\n`,
  'sys/fs/cgroup/memory/memory.usage_in_bytes': `${used * MiB}\n`,
})
const files = ({ own = 100, free = 8000, files = v2('max', 100) }: Pod) => ({
  ...(own > 0 && { 'proc/self/statm': `90000 ${(own * MiB) / page} 4000 1 0 50000 0\n` }),
  'proc/meminfo': `MemTotal: 16000000 kB\nMemFree: 1000 kB\nMemAvailable: ${free * 1024} kB\n`,
  ...files,
})

const rows: readonly (readonly [what: string, pod: Pod, hasRoom: boolean])[] = [
  ['no limit, on a node that has memory', {}, true],
  ['no limit, on a node that is full', { free: 250 }, false],
  ['a limit far above what is used', { files: v2(`${512 * MiB}`, 120) }, true],
  ['a limit that a second one would come near to', { files: v2(`${256 * MiB}`, 120) }, false],
  ['the same with a small project', { own: 40, files: v2(`${256 * MiB}`, 60) }, true],
  ['a high limit, on a node that is full', { free: 250, files: v2(`${4096 * MiB}`, 120) }, false],
  ['version 1 without a limit', { files: v1('9223372036854771712', 120) }, true],
  ['version 1 with a tight limit', { files: v1(`${256 * MiB}`, 120) }, false],
  ['a sandbox that shows no limit', { files: {} }, false],
  ['a limit that is no number', { files: v2('high', 120) }, false],
  ['a process that is not shown', { own: 0 }, false],
]
const answer = answersTo(
  `
import os, tempfile
from rollout_inspector.memory import has_room
os.sysconf = lambda name: ${page}
def answer(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
            with open(os.path.join(root, name), "w") as file:
                file.write(text)
        return has_room(root + "/")`,
  rows.map(([, pod]) => files(pod)),
)

test.each(rows)('%s', (_, pod, hasRoom) => {
  expect(answer(files(pod))).toBe(hasRoom)
})
