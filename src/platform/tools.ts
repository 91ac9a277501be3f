import { cacheFile, downloadTool, find } from '@actions/tool-cache'
import { createHash } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import type { Tools, Platform } from './platform.js'

/** A kubectl works with servers one minor version older or newer: https://kubernetes.io/releases/version-skew-policy/ */
const kubectlVersion = '1.34.4'

/** SHA-256 of that version's programs: a checksum from the place of the download would change along with the program. */
const kubectlDigests: Digests = {
  'linux/amd64': 'd50c359d95e0841eaad08ddc27c7be37cba8fdccfba5c8e2ded65e121ff112db',
  'linux/arm64': '5b982c0644ab1e27780246b9085a5886651b4a7ed86243acbb2bacc1bea01dda',
  'darwin/amd64': '9861e775578651d903a779f840ff8e4c0013ae29a1ffc67f05d967262fcf734c',
  'darwin/arm64': 'd9b239414a5fdf624835bfb62eef28a0885f1645d579f98056a9ab3293f51f87',
}

type Digests = Readonly<Record<string, string>>

/** Kubernetes' own place for its programs; a mirror may be named by KUBECTL_DOWNLOAD_URL. */
const kubernetesDownloads = 'https://dl.k8s.io/release'

/**
 * Programs that are fetched where the machine does not have them: into the runner's tool cache, so once. What is in
 * that cache is checked as well: other jobs of the machine may write to it.
 */
export function realTools(env: Platform['env'], digests: Digests = kubectlDigests): Tools {
  return {
    fetchKubectl: async () => {
      // Set by every GitHub runner; elsewhere nothing is downloaded.
      if (!env['RUNNER_TOOL_CACHE'] || !env['RUNNER_TEMP']) return undefined
      const system = `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`
      const wanted = digests[system]
      if (wanted === undefined) throw new Error(`there is no known kubectl for ${system}`)
      const cached = find('kubectl', kubectlVersion)
      if (cached !== '' && (await digestOf(`${cached}/kubectl`)) === wanted)
        return `${cached}/kubectl`
      const base = env['KUBECTL_DOWNLOAD_URL'] || kubernetesDownloads
      const url = `${base}/v${kubectlVersion}/bin/${system}/kubectl`
      const program = await downloadTool(url)
      const got = await digestOf(program)
      if (got !== wanted)
        throw new Error(`${url} is not kubectl ${kubectlVersion}: its SHA-256 is ${got}`)
      await chmod(program, 0o755)
      return `${await cacheFile(program, 'kubectl', 'kubectl', kubectlVersion)}/kubectl`
    },
  }
}

/** SHA-256 of a file; `undefined` where there is none. */
async function digestOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return bytes && createHash('sha256').update(bytes).digest('hex')
}
