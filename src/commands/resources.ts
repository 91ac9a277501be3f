import { RunDocker } from '../docker/login.js'
import type { TestBox } from '../docker/test-box.js'
import type { Login } from '../docker/private-config.js'
import { openCluster, type Cluster, type ClusterAccess } from '../kubernetes/cluster.js'
import type { Settings } from '../options/table.js'
import { fail, type Cause } from '../failure/failure.js'
import type { Platform } from '../platform/platform.js'

/**
 * Returns what is wrong with a kubeconfig that is no file, if anything. Shows its value only where it is certainly
 * a path: people keep credentials in it.
 */
function whatIsWrong(content: string): Pick<Cause, 'sentence' | 'hint'> | undefined {
  const joined = content.replace(/\s/g, '')
  if (joined.length > 100 && /^\w[\w+/-]+=*$/.test(joined)) {
    return {
      sentence: '"kubeconfig" is base64, not the text of a kubeconfig',
      hint: 'store the plain text: gh secret set KUBECONFIG < kubeconfig',
    }
  }
  if (/[\n:{]/.test(content)) return undefined
  const path = /^[~./][^\s]{0,200}$/.test(content) ? ` (${content})` : ''
  return {
    sentence: `"kubeconfig" is neither an existing file${path} nor the text of a kubeconfig`,
    hint: 'set the path of a kubeconfig, or its content',
  }
}

/** What is released in reverse order at the end of a run, however the run ends. */
export class Resources {
  private readonly closers: (() => Promise<void>)[] = []
  private readonly docker: RunDocker
  private isClosed = false

  constructor(platform: Platform) {
    this.docker = new RunDocker(platform)
  }

  /** The platform as the run has it: its docker gets the login. */
  get platform(): Platform {
    return this.docker.platform
  }

  /** Adds a resource. Closes it at once when everything is closed already (an aborted preflight came late). */
  add(close: () => Promise<void>): void {
    if (this.isClosed) void close().catch(() => undefined)
    else this.closers.push(close)
  }

  /** Closes all of them. One that cannot be closed prevents neither the others nor the report. */
  async close(): Promise<void> {
    this.isClosed = true
    for (const close of this.closers.reverse()) await close().catch(() => undefined)
  }

  /** Keeps a box until it is thrown away, at the latest at the end of the run. */
  keepBox(box: TestBox, warn: (sentence: string) => void): TestBox {
    this.add(() => box.close(warn))
    return box
  }

  /** Opens the cluster until the end of the run. */
  async openCluster(platform: Platform, settings: Settings, signal: AbortSignal): Promise<Cluster> {
    const cluster = await openCluster(platform, await this.access(platform, settings), signal)
    this.add(() => cluster.close())
    return cluster
  }

  /** Writes the user's kubeconfig into a file that only this user may read, and that the run removes. */
  async access(platform: Platform, settings: Settings): Promise<ClusterAccess> {
    const { kubeconfig: content, namespace, 'kube-context': context } = settings
    const chosen = { namespace, image: settings.image, ...(context !== undefined && { context }) }
    if (content === undefined) return chosen
    // A path, as people type it on a command line.
    if (!content.includes('\n') && platform.files.exists(content)) {
      return { ...chosen, kubeconfig: content, keeps: true }
    }
    const wrong = whatIsWrong(content)
    if (wrong) fail({ code: 'usage', ...wrong })
    const folder = await platform.files.privateFolder()
    this.add(() => platform.files.remove(folder))
    const kubeconfig = `${folder}/kubeconfig`
    await platform.files.writePrivate(kubeconfig, content)
    return { ...chosen, kubeconfig }
  }

  /** Logs docker in, where the options have a login. */
  async login(settings: Settings): Promise<void> {
    const login = loginIn(settings)
    if (login) this.add(await this.docker.login(login))
  }

  /** Gives docker the login of the options without asking the registry. Returns whether there is one. */
  async keepLogin(settings: Settings): Promise<boolean> {
    const login = loginIn(settings)
    if (login) this.add(await this.docker.keep(login))
    return login !== undefined
  }
}

function loginIn({
  image: repository,
  'registry-username': username,
  'registry-password': password,
}: Settings): Login | undefined {
  return username === undefined || password === undefined
    ? undefined
    : { repository, username, password }
}
