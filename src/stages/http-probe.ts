/**
 * Requests a page as its visitors do: as https where the page requires that, and along its redirects. Follows what
 * the kubelet follows (its own host, at most ten): https://pkg.go.dev/k8s.io/kubernetes/pkg/probe/http
 */

export interface PageRequest {
  /** With its query. */
  readonly path: string
  /** Requested as if the visitor came to the proxy in front by https. */
  readonly secure: boolean
}

export interface Answer {
  readonly status: number
  /** Where it leads: untrusted. */
  readonly location?: string
  readonly body: string
}

export type PageResult =
  /** The page's own answer, or that of the page to which it leads. */
  | {
      readonly is: 'answered'
      readonly at: PageRequest
      readonly status: number
      readonly body: string
      readonly isLogin: boolean
    }
  /** A view, or a middleware before all views, sends its visitors to another host. */
  | {
      readonly is: 'led away'
      readonly status: number
      readonly to: URL
      /** The same page there: no view answered, only the middleware that corrects hosts. */
      readonly samePage: boolean
    }
  | { readonly is: 'in a circle'; readonly status: number; readonly to: string }

const followed = [301, 302, 303, 307, 308]
const most = 10

/** @param ask rejects when there is no answer at all. */
export async function followRedirects(
  host: string,
  path: string,
  ask: (request: PageRequest) => Promise<Answer>,
): Promise<PageResult> {
  const own = new URL(`http://${host}`).hostname
  let request: PageRequest = { path, secure: false }
  for (let hop = 0; ; hop += 1) {
    const { status, location, body } = await ask(request)
    const to = followed.includes(status) ? urlOf(location, host, request) : undefined
    if (!to) {
      return { is: 'answered', at: request, status, body, isLogin: isLogin(request.path, path) }
    }
    const next = { path: to.pathname + to.search, secure: to.protocol === 'https:' }
    const samePage = withSlash(next.path) === withSlash(request.path)
    // SECURE_SSL_REDIRECT may name the public host (SECURE_SSL_HOST) although it only requires https.
    const wantsHttps = next.secure && !request.secure && samePage
    if (to.hostname !== own && !wantsHttps) return { is: 'led away', status, to, samePage }
    const isSame = next.path === request.path && next.secure === request.secure
    if (isSame || hop === most) return { is: 'in a circle', status, to: to.href }
    request = next
  }
}

/** APPEND_SLASH and the correction of a host may come as one redirect. */
function withSlash(path: string): string {
  return path.replace(/\/?(\?|$)/, '/$1')
}

function urlOf(location: string | undefined, host: string, { path, secure }: PageRequest) {
  if (location === undefined) return undefined
  const here = `${secure ? 'https' : 'http'}://${host}${path}`
  const to = URL.parse(location, here)
  return to && /^https?:$/.test(to.protocol) ? to : undefined
}

/** Returns whether the page is a login page: by its name, or because it gets the wanted page in Django's `?next=`. */
function isLogin(at: string, wanted: string): boolean {
  const { pathname, searchParams } = new URL(at, 'http://a')
  const from = new URL(wanted, 'http://a')
  if (pathname === from.pathname) return false
  return (
    /(^|\/)(log|sign)[-_]?in(\/|$)/i.test(pathname) ||
    [...searchParams.values()].some((value) => {
      const back = URL.parse(value, 'http://a')
      return back !== null && back.pathname + back.search === from.pathname + from.search
    })
  )
}
