/** What a case has printed, taken apart: the runs of django-rollout, and what the script looked at. */

/** One `$ django-rollout …` with all that it said. */
export interface ToolRun {
  readonly command: string
  readonly output: string
  /** None when the script has killed it. */
  readonly code?: number
}

export interface Told {
  readonly output: string
  readonly runs: readonly ToolRun[]
  /** Everything that no run has said: what stands in the cluster, by the script's own words. */
  readonly seen: string
  readonly namespace: string
  readonly image: string
}

/** The place of a case: what its script was given. */
export type Place = Pick<Told, 'namespace' | 'image'>

export function takeApart(output: string, place: Place): Told {
  const runs: ToolRun[] = []
  const seen: string[] = []
  let open: { command: string; lines: string[] } | undefined
  const close = (code?: number) => {
    if (!open) return
    const { command, lines } = open
    runs.push({ command, output: lines.join('\n'), ...(code !== undefined && { code }) })
    open = undefined
  }
  for (const line of output.split('\n')) {
    const command = /^\$ django-rollout (.*)/.exec(line)?.[1]
    const code = /^exit (\d+)$/.exec(line)?.[1]
    if (command !== undefined) {
      close()
      open = { command, lines: [] }
      // No end of its own is told: what follows is the script's again.
      if (command.endsWith('(killed with SIGKILL)')) close()
    } else if (code !== undefined && open) close(Number(code))
    else if (open) open.lines.push(line)
    else seen.push(line)
  }
  close()
  return { ...place, output, runs, seen: seen.join('\n') }
}
