// Command kubernetes is every part of a Kubernetes node in one program.
//
// It acts as the component whose name it was called by: a link named
// "kube-apiserver" to this program is the API server. One program links the
// large common part of Kubernetes once, which makes the build four times
// quicker and the result four times smaller than six separate programs.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	// The login methods that a user's kubeconfig may name.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Where the host-path provisioner makes volumes: a constant in Kubernetes too.
const hostPathVolumes = "/tmp/hostpath_pv"

func main() {
	name := filepath.Base(os.Args[0])
	command, known := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllermanager.NewControllerManagerCommand,
		"kube-proxy":              proxy.NewProxyCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	}[name]
	if name == "kube-controller-manager" {
		go openVolumes(hostPathVolumes)
	}
	switch {
	case known:
		os.Exit(cli.Run(command()))
	case name == "kubectl":
		// As cmd/kubectl does: -v is read early, errors are printed in its own words.
		logs.GlogSetter(kubectl.GetLogVerbosity(os.Args)) //nolint:errcheck // an unreadable -v is cobra's to report
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	default:
		fmt.Fprintf(os.Stderr, "%s: call this program by the name of a Kubernetes component\n", name)
		os.Exit(2)
	}
}
