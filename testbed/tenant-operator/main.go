// Command tenant-operator keeps one registry key, one child Secret and one in-memory entry for each Tenant.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	chosen := mistakeSet{}
	namespace := flag.String("registry-namespace", "tenant-system", "namespace of the registry map")
	name := flag.String("registry-name", "tenant-registry", "name of the registry map")
	delay := flag.Duration("cleanup-delay", 30*time.Second, "with cleanup-lost-on-restart: how long deletions wait for their batch")
	elect := flag.Bool("leader-elect", false, "let one of several replicas lead")
	flag.Var(chosen, "mistake", "a mistake to make; may be repeated; known: "+knownMistakes())
	flag.Parse()
	ctrl.SetLogger(zap.New())
	if err := run(*namespace, *name, *delay, *elect, chosen); err != nil {
		fmt.Fprintln(os.Stderr, "tenant-operator:", err)
		os.Exit(1)
	}
}

func run(namespace, name string, delay time.Duration, elect bool, chosen mistakeSet) error {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := addToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 1000 // the default of 20 a second would hide races behind a queue
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                  scheme,
		LeaderElection:          elect,
		LeaderElectionID:        name + ".demo.ghostkey.dev",
		LeaderElectionNamespace: namespace,
		Metrics:                 metricsserver.Options{BindAddress: metricsAddress(chosen)},
	})
	if err != nil {
		return err
	}
	ctx := ctrl.SetupSignalHandler()
	if chosen["owner-reference-stripped"] {
		if err := stripOwnerReferences(ctx, config, scheme); err != nil {
			return fmt.Errorf("webhook: %w", err)
		}
	}
	r := &reconciler{
		Client:    mgr.GetClient(),
		namespace: namespace,
		name:      name,
		mistakes:  chosen,
		delay:     delay,
		memory:    map[string]string{},
		pending:   map[string]time.Time{},
		seen:      map[string]time.Time{},
		shards:    map[string]map[string]bool{},
		early:     map[string]string{},
	}
	if r.mistakes["non-leader"] {
		if err := r.noteInEveryReplica(ctx, mgr.GetCache()); err != nil {
			return fmt.Errorf("informer: %w", err)
		}
	}
	err = ctrl.NewControllerManagedBy(mgr).
		Named("tenant").
		For(&Tenant{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1}).
		Complete(r)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}
