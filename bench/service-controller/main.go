// Command service-controller runs the service controller of k8s.io/cloud-provider with the fake cloud of the same module: nothing of it
// is ours but the wiring that each cloud's controller manager has.
package main

import (
	"context"
	"flag"
	"net"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/cloud-provider/controllers/service"
	"k8s.io/cloud-provider/fake"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/metrics/prometheus/controllers"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	path := flag.String("kubeconfig", "", "leads to the API server")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *path)
	must(err)
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	must(err)
	cloud := &fake.Cloud{ExternalIP: net.ParseIP("198.51.100.1")}
	shared := informers.NewSharedInformerFactory(client, time.Hour)
	core := shared.Core().V1()
	controller, err := service.New(cloud, client, core.Services(), core.Nodes(), "bench", featuregate.NewFeatureGate())
	must(err)
	ctx := context.Background()
	shared.Start(ctx.Done())
	controller.Run(ctx, 2, controllers.NewControllerManagerMetrics("service-controller"))
}
