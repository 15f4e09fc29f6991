package main

import (
	"context"
	"maps"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// noteInEveryReplica has the informer of each replica fill its memory, so that "a new leader can begin at once".
func (r *reconciler) noteInEveryReplica(ctx context.Context, informers cache.Cache) error {
	informer, err := informers.GetInformer(ctx, &Tenant{})
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: func(object any) {
		if tenant, ok := object.(*Tenant); ok {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.early[r.keyOf(tenant)] = r.valueOf(tenant)
		}
	}})
	return err
}

// withEarly is the memory of a replica that leads now: what it noted before stands in it for as long as it runs.
func (r *reconciler) withEarly() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := maps.Clone(r.early)
	maps.Copy(entries, r.memory)
	return entries
}

// forgetEarly is called by Reconcile alone, and so in the replica that leads.
func (r *reconciler) forgetEarly(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.early, key)
}
