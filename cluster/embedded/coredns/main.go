// Command coredns is CoreDNS with the plugins that a local cluster uses.
//
// The stock program links the client libraries of four clouds; leaving them
// out makes the build three times quicker. Plugins: https://coredns.io/plugins/
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
)

// The order in which a query passes the plugins, as in CoreDNS's plugin.cfg.
func init() {
	dnsserver.Directives = []string{
		"bind", "health", "ready", "prometheus", "errors", "cache",
		"loadbalance", "kubernetes", "forward",
	}
}

func main() {
	coremain.Run()
}
