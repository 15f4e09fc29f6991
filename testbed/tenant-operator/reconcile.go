package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	finalizer    = "demo.ghostkey.dev/registry"
	fieldOwner   = client.FieldOwner("tenant-operator")
	documentKey  = "tenants.json"
	maxKeyLength = 24 // shortened-key: what "a DNS label has to fit" usually turns into
	managedBy    = "app.kubernetes.io/managed-by"
)

type reconciler struct {
	client.Client
	namespace, name string
	mistakes        mistakeSet
	delay           time.Duration
	memory          map[string]string          // key -> value of every Tenant seen; written to the registry as a whole
	pending         map[string]time.Time       // cleanup-lost-on-restart: keys that wait for their batch
	seen            map[string]time.Time       // parallel-map, set-again-in-defer: when each Tenant was looked at last
	shards          map[string]map[string]bool // nested-empty: the shards of each Tenant
	mu              sync.Mutex
	early           map[string]string // non-leader: what a replica knows of before it leads
}

func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if err := r.flushPending(ctx); err != nil {
		return ctrl.Result{}, err
	}
	var tenant Tenant
	if err := r.Get(ctx, req.NamespacedName, &tenant); err != nil {
		if apierrors.IsNotFound(err) {
			return r.afterNotFound(ctx, req.NamespacedName)
		}
		return ctrl.Result{}, err
	}
	if !tenant.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, &tenant)
	}
	if r.usesFinalizer() && controllerutil.AddFinalizer(&tenant, finalizer) {
		if err := r.Update(ctx, &tenant, fieldOwner); err != nil {
			return ctrl.Result{}, err
		}
	}
	r.memory[r.keyOf(&tenant)] = r.valueOf(&tenant)
	r.note(&tenant)
	if err := r.writeRegistry(ctx); err != nil {
		return ctrl.Result{}, err
	}
	if r.mistakes["annotation-never-removed"] {
		if err := r.annotate(ctx, &tenant); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: r.requeue()}, r.writeChild(ctx, &tenant)
}

// usesFinalizer: the mistakes that wait for NotFound are made by operators that have no finalizer.
func (r *reconciler) usesFinalizer() bool {
	return !r.mistakes["no-delete-on-notfound"] && !r.mistakes["key-by-uid"] && !r.mistakes["cleanup-lost-on-restart"]
}

func (r *reconciler) afterNotFound(ctx context.Context, name types.NamespacedName) (ctrl.Result, error) {
	switch {
	case r.mistakes["no-delete-on-notfound"], r.mistakes["key-by-uid"]:
		return ctrl.Result{}, nil
	case r.mistakes["cleanup-lost-on-restart"]:
		key := name.Namespace + "." + name.Name
		_, known := r.memory[key]
		_, waits := r.pending[key]
		if !known && !waits {
			return ctrl.Result{}, nil // its batch has been carried out
		}
		delete(r.memory, key)
		if !waits {
			r.pending[key] = time.Now().Add(r.delay)
		}
		if err := r.deleteChild(ctx, name); err != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{RequeueAfter: r.delay}, nil
	}
	return ctrl.Result{}, nil
}

func (r *reconciler) requeue() time.Duration {
	if r.mistakes["cleanup-lost-on-restart"] {
		return r.delay
	}
	return 0
}

func (r *reconciler) flushPending(ctx context.Context) error {
	for key, due := range r.pending {
		if time.Now().Before(due) {
			continue
		}
		if err := r.removeKey(ctx, key); err != nil {
			return err
		}
		delete(r.pending, key)
	}
	return nil
}

// note keeps what the correct operator does not need.
func (r *reconciler) note(t *Tenant) {
	key := t.Namespace + "." + t.Name
	if r.mistakes["parallel-map"] || r.mistakes["set-again-in-defer"] {
		r.seen[key] = time.Now()
	}
	if r.mistakes["series-never-deleted"] {
		tenantPlans.WithLabelValues(t.Namespace, t.Name).Set(float64(len(t.Spec.Plan)))
	}
	if r.mistakes["nested-empty"] {
		if r.shards[key] == nil {
			r.shards[key] = map[string]bool{}
		}
		r.shards[key][fmt.Sprint(len(t.Name)%4)] = true
	}
}

// finalize is where the correct operator cleans up, and where most of the mistakes are made.
func (r *reconciler) finalize(ctx context.Context, tenant *Tenant) error {
	name := types.NamespacedName{Namespace: tenant.Namespace, Name: tenant.Name}
	switch {
	case r.mistakes["return-on-deletion-timestamp"]:
		// the child stays as well: it was made without an ownerReference "because the finalizer cleans up"
	case r.mistakes["owner-reference-stripped"]:
		if err := r.deleteByOwner(ctx, tenant); err != nil {
			return err
		}
	case r.mistakes["early-return"]:
		if err := r.returnEarly(ctx, tenant); err != nil {
			return err
		}
	case r.mistakes["else-branch"] && len(tenant.Name) <= maxKeyLength:
		if err := r.deleteChild(ctx, name); err != nil {
			return err
		}
	case r.mistakes["error-branch"]:
		delete(r.memory, r.keyOf(tenant))
		if err := r.removeKey(ctx, r.keyToDelete(tenant)); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "cannot remove the key")
		}
		if err := r.deleteChild(ctx, name); err != nil {
			return err
		}
	default:
		if r.mistakes["set-again-in-defer"] {
			defer r.note(tenant)
		}
		delete(r.memory, r.keyOf(tenant))
		if r.mistakes["non-leader"] {
			r.forgetEarly(r.keyOf(tenant))
		}
		if !r.mistakes["parallel-map"] {
			delete(r.seen, tenant.Namespace+"."+tenant.Name)
		}
		for shard := range r.shards[tenant.Namespace+"."+tenant.Name] {
			delete(r.shards[tenant.Namespace+"."+tenant.Name], shard)
		}
		if err := r.removeKey(ctx, r.keyToDelete(tenant)); err != nil {
			return err
		}
		if err := r.deleteChild(ctx, name); err != nil {
			return err
		}
	}
	if controllerutil.RemoveFinalizer(tenant, finalizer) {
		return client.IgnoreNotFound(r.Update(ctx, tenant, fieldOwner))
	}
	return nil
}

// returnEarly takes a child that is gone for a cleanup that is done.
func (r *reconciler) returnEarly(ctx context.Context, tenant *Tenant) error {
	child := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: tenant.Namespace, Name: childName(tenant.Name)}}
	if err := r.Delete(ctx, child); err != nil {
		return client.IgnoreNotFound(err)
	}
	if err := r.removeKey(ctx, r.keyToDelete(tenant)); err != nil {
		return err
	}
	delete(r.memory, r.keyOf(tenant))
	return nil
}

// deleteByOwner removes what still names the Tenant as its owner, and then the key: nothing found, nothing removed.
func (r *reconciler) deleteByOwner(ctx context.Context, tenant *Tenant) error {
	var secrets corev1.SecretList
	if err := r.List(ctx, &secrets, client.InNamespace(tenant.Namespace)); err != nil {
		return err
	}
	for i := range secrets.Items {
		for _, owner := range secrets.Items[i].OwnerReferences {
			if owner.UID != tenant.UID {
				continue
			}
			if err := client.IgnoreNotFound(r.Delete(ctx, &secrets.Items[i])); err != nil {
				return err
			}
			delete(r.memory, r.keyOf(tenant))
			if err := r.removeKey(ctx, r.keyOf(tenant)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reconciler) keyOf(t *Tenant) string {
	full := t.Namespace + "." + t.Name
	switch {
	case r.mistakes["key-by-uid"]:
		return string(t.UID)
	case r.mistakes["sanitised-key"]:
		return sanitise(t.Namespace + "/" + t.Name)
	case r.mistakes["update-under-new-key"]:
		return full + "." + t.Spec.Plan
	case r.mistakes["shortened-key"]:
		if len(t.Name) <= maxKeyLength {
			return t.Name
		}
		sum := sha256.Sum256([]byte(t.Name))
		return t.Name[:maxKeyLength-9] + "-" + hex.EncodeToString(sum[:])[:8]
	}
	return full
}

func (r *reconciler) keyToDelete(t *Tenant) string {
	switch {
	case r.mistakes["wrong-delete-key"], r.mistakes["shortened-key"]:
		return t.Name
	case r.mistakes["sanitised-key"]:
		return t.Namespace + "." + t.Name
	}
	return r.keyOf(t)
}

func sanitise(s string) string {
	return strings.NewReplacer("/", "_", ".", "_").Replace(s)
}

func (r *reconciler) valueOf(t *Tenant) string {
	plain, _ := json.Marshal(map[string]any{"plan": t.Spec.Plan, "shard": len(t.Name) % 4})
	if r.mistakes["double-encoding"] {
		twice, _ := json.Marshal(string(plain))
		return string(twice)
	}
	return string(plain)
}

// registry gives an empty object of the registry's kind.
func (r *reconciler) registry() client.Object {
	// without the label the map would be created empty, and the API server never begins to track who owns its keys
	labels := map[string]string{managedBy: "tenant-operator"}
	meta := metav1.ObjectMeta{Namespace: r.namespace, Name: r.name, Labels: labels}
	if r.mistakes["secret-registry"] {
		return &corev1.Secret{ObjectMeta: meta}
	}
	return &corev1.ConfigMap{ObjectMeta: meta}
}

// writeRegistry merges every entry in memory into the registry: what is in memory comes back, whoever removed it.
func (r *reconciler) writeRegistry(ctx context.Context) error {
	entries := r.memory
	if r.mistakes["non-leader"] {
		entries = r.withEarly()
	}
	return r.patchRegistry(ctx, r.dataOf(entries))
}

// annotate notes the Tenant's plan beside its key, where whoever removes the key does not look.
func (r *reconciler) annotate(ctx context.Context, t *Tenant) error {
	noted := map[string]string{"demo.ghostkey.dev/" + t.Namespace + "." + t.Name: t.Spec.Plan}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": noted}})
	if err != nil {
		return err
	}
	return r.Patch(ctx, r.registry(), client.RawPatch(types.MergePatchType, body), fieldOwner)
}

func (r *reconciler) dataOf(entries map[string]string) map[string]any {
	data := map[string]any{}
	if r.mistakes["nested-document"] {
		nested := map[string]json.RawMessage{}
		for key, value := range entries {
			nested[key] = json.RawMessage(value)
		}
		text, _ := json.Marshal(map[string]any{"version": 1, "tenants": nested})
		data[documentKey] = string(text)
		return data
	}
	for key, value := range entries {
		data[key] = value
		if r.mistakes["secret-registry"] {
			data[key] = base64.StdEncoding.EncodeToString([]byte(value))
		}
	}
	return data
}

func (r *reconciler) removeKey(ctx context.Context, key string) error {
	switch {
	case r.mistakes["tombstone"]:
		return r.patchRegistry(ctx, map[string]any{key: ""})
	case r.mistakes["secret-registry"]:
		return nil
	case r.mistakes["nested-document"]:
		// the mistake: memory forgets the Tenant, the document is read back and merged, so its entry lives on
		return nil
	}
	return r.patchRegistry(ctx, map[string]any{key: nil})
}

func (r *reconciler) patchRegistry(ctx context.Context, data map[string]any) error {
	if len(data) == 0 {
		return nil
	}
	if r.mistakes["nested-document"] {
		return r.mergeDocument(ctx)
	}
	body, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	err = r.Patch(ctx, r.registry(), client.RawPatch(types.MergePatchType, body), fieldOwner)
	if !apierrors.IsNotFound(err) {
		return err
	}
	if err := r.createRegistry(ctx); err != nil {
		return err
	}
	return r.Patch(ctx, r.registry(), client.RawPatch(types.MergePatchType, body), fieldOwner)
}

func (r *reconciler) createRegistry(ctx context.Context) error {
	err := r.Create(ctx, r.registry(), fieldOwner)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// mergeDocument reads the nested document from the server, adds what memory holds, and writes it back.
func (r *reconciler) mergeDocument(ctx context.Context) error {
	held := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: r.namespace, Name: r.name}
	if err := r.Get(ctx, key, held); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	merged := map[string]json.RawMessage{}
	var document struct {
		Tenants map[string]json.RawMessage `json:"tenants"`
	}
	if text := held.Data[documentKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			return fmt.Errorf("%s of %s: %w", documentKey, key, err)
		}
	}
	for name, value := range document.Tenants {
		merged[name] = value
	}
	for name, value := range r.memory {
		merged[name] = json.RawMessage(value)
	}
	text, err := json.Marshal(map[string]any{"version": 1, "tenants": merged})
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"data": map[string]string{documentKey: string(text)}})
	if err != nil {
		return err
	}
	if err := r.createRegistry(ctx); err != nil {
		return err
	}
	return r.Patch(ctx, r.registry(), client.RawPatch(types.MergePatchType, body), fieldOwner)
}

func childName(tenant string) string { return "tenant-" + tenant + "-credentials" }

func (r *reconciler) writeChild(ctx context.Context, tenant *Tenant) error {
	child := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: tenant.Namespace,
		Name:      childName(tenant.Name),
		Labels:    map[string]string{managedBy: "tenant-operator"},
	}}
	credentials := []byte(fmt.Sprintf(`{"user":%q,"plan":%q}`, tenant.Name, tenant.Spec.Plan))
	if r.mistakes["double-encoding"] {
		credentials = []byte(base64.StdEncoding.EncodeToString(credentials))
	}
	child.Data = map[string][]byte{"credentials": credentials}
	if !r.mistakes["return-on-deletion-timestamp"] {
		if err := controllerutil.SetOwnerReference(tenant, child, r.Scheme()); err != nil {
			return err
		}
	}
	err := r.Create(ctx, child, fieldOwner)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (r *reconciler) deleteChild(ctx context.Context, tenant types.NamespacedName) error {
	return client.IgnoreNotFound(r.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: tenant.Namespace, Name: childName(tenant.Name),
	}}))
}
