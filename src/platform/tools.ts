import { cacheFile, downloadTool, find } from '@actions/tool-cache'
import { createHash } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import type { Tools, Platform } from './platform.js'

/** A kubectl works with servers one minor version older or newer: https://kubernetes.io/releases/version-skew-policy/ */
const kubectlVersion = '1.34.4'

/** Kubernetes' own place for its programs; a mirror may be named by KUBECTL_DOWNLOAD_URL. */
const kubernetesDownloads = 'https://dl.k8s.io/release'

/** Programs that are fetched where the machine does not have them: into the runner's tool cache, so once. */
export function realTools(env: Platform['env']): Tools {
  return {
    fetchKubectl: async () => {
      // Set by every GitHub runner; elsewhere nothing is downloaded.
      if (!env['RUNNER_TOOL_CACHE'] || !env['RUNNER_TEMP']) return undefined
      const cached = find('kubectl', kubectlVersion)
      if (cached !== '') return `${cached}/kubectl`
      const arch = process.arch === 'x64' ? 'amd64' : process.arch
      const base = env['KUBECTL_DOWNLOAD_URL'] || kubernetesDownloads
      const url = `${base}/v${kubectlVersion}/bin/${process.platform}/${arch}/kubectl`
      const [program, checksum] = await Promise.all([
        downloadTool(url),
        downloadTool(`${url}.sha256`),
      ])
      const wanted = (await readFile(checksum, 'utf8')).trim().split(/\s/)[0]
      const got = createHash('sha256')
        .update(await readFile(program))
        .digest('hex')
      if (got !== wanted) throw new Error(`${url} does not match its published checksum`)
      await chmod(program, 0o755)
      return `${await cacheFile(program, 'kubectl', 'kubectl', kubectlVersion)}/kubectl`
    },
  }
}
