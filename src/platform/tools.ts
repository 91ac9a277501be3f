import { cacheFile, downloadTool, find } from '@actions/tool-cache'
import { createHash } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import type { Tools, Platform } from './platform.js'

/**
 * SHA-256 of the programs, by version and system: a checksum from the place of the download would change along with
 * the program. Each works with servers one minor version older or newer; the first is taken where the server is not
 * known yet.
 */
const kubectlDigests: Digests = {
  'v1.34.4': {
    'linux/amd64': 'd50c359d95e0841eaad08ddc27c7be37cba8fdccfba5c8e2ded65e121ff112db',
    'linux/arm64': '5b982c0644ab1e27780246b9085a5886651b4a7ed86243acbb2bacc1bea01dda',
    'darwin/amd64': '9861e775578651d903a779f840ff8e4c0013ae29a1ffc67f05d967262fcf734c',
    'darwin/arm64': 'd9b239414a5fdf624835bfb62eef28a0885f1645d579f98056a9ab3293f51f87',
  },
  'v1.35.2': {
    'linux/amd64': '924eb50779153f20cb668117d141440b95df2f325a64452d78dff9469145e277',
    'linux/arm64': 'cd859449f54ad2cb05b491c490c13bb836cdd0886ae013c0aed3dd67ff747467',
    'darwin/amd64': '163955964d4ed9e66656eab45c0114f5c1110d1b430ace432b20ddc430023df5',
    'darwin/arm64': 'b0b59cdd7ba20ca20b85214943100e578dd50ddd85242fcddf277a87c2249706',
  },
  'v1.32.13': {
    'linux/amd64': 'db2ae479a63f3665d7f704ab18c0d4d4050144237980763221835b7305703c4c',
    'linux/arm64': 'b1f87f196633a89208546d79bfa4e2470bda70e7bf42c4d3adb008ec208da9d1',
    'darwin/amd64': '925e89bdf7e30d9a356625b3b368b93261300cdee6c053935eb50ed9e657e769',
    'darwin/arm64': '97c78912825a83e91c67fdae588a5a26dec53d58370210c78612dec04a71fc21',
  },
}

type Digests = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Kubernetes' own place for its programs; a mirror may be named by KUBECTL_DOWNLOAD_URL. */
const kubernetesDownloads = 'https://dl.k8s.io/release'

/**
 * Programs that are fetched where the machine does not have them: into the runner's tool cache, so once. What is in
 * that cache is checked as well: other jobs of the machine may write to it.
 */
export function realTools(env: Platform['env'], digests: Digests = kubectlDigests): Tools {
  return {
    fetchKubectl: async (fits) => {
      // Set by every GitHub runner; elsewhere nothing is downloaded.
      if (!env['RUNNER_TOOL_CACHE'] || !env['RUNNER_TEMP']) return undefined
      const version = Object.keys(digests).find(fits)
      if (version === undefined) return undefined
      const system = `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`
      const wanted = digests[version]?.[system]
      if (wanted === undefined) throw new Error(`there is no known kubectl for ${system}`)
      const cached = `${find('kubectl', version)}/kubectl`
      if ((await digestOf(cached)) === wanted) return { path: cached, version }
      const base = env['KUBECTL_DOWNLOAD_URL'] || kubernetesDownloads
      const url = `${base}/${version}/bin/${system}/kubectl`
      const program = await downloadTool(url)
      const got = await digestOf(program)
      if (got !== wanted) throw new Error(`${url} is not kubectl ${version}: its SHA-256 is ${got}`)
      await chmod(program, 0o755)
      const folder = await cacheFile(program, 'kubectl', 'kubectl', version)
      return { path: `${folder}/kubectl`, version }
    },
  }
}

/** SHA-256 of a file; `undefined` where there is none. */
async function digestOf(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined)
  return bytes && createHash('sha256').update(bytes).digest('hex')
}
