package main

import (
	"fmt"
	"sort"
	"strings"
)

// mistakes are the named ways to get it wrong; each one really happens. With none of them the operator is correct.
var mistakes = map[string]string{
	"no-delete-on-notfound":        "no finalizer; Reconcile returns on NotFound and deletes nothing; the entry stays in memory and is written again",
	"return-on-deletion-timestamp": "Reconcile sees DeletionTimestamp, drops its finalizer and returns without cleaning up",
	"wrong-delete-key":             "the key is written as namespace.name and deleted as name",
	"owner-reference-stripped":     "cleanup looks for the owner's UID, and a webhook has stripped the ownerReferences",
	"tombstone":                    "the key's value is set to the empty string instead of being deleted",
	"nested-document":              "all Tenants live in one JSON document under one key, whose entries are never removed",
	"secret-registry":              "the registry is a Secret, and its keys are never deleted",
	"key-by-uid":                   "keys are UIDs; after NotFound the UID is not known any more, so nothing is deleted",
	"sanitised-key":                "the key is namespace/name with every / and . made _, and deleted without that",
	"shortened-key":                "long names are cut and given a hash; the delete uses the full name",
	"double-encoding":              "values are encoded twice: base64 in base64, JSON in a JSON string; nothing leaks",
	"cleanup-lost-on-restart":      "deletions wait in memory for a batch; a restart forgets them",
	"early-return":                 "cleanup returns when the child is gone already, before it comes to the key",
	"error-branch":                 "an error of the cleanup is logged, and the finalizer is dropped all the same",
	"else-branch":                  "only names that are too long are cleaned up; the other branch forgets to",
	"update-under-new-key":         "the plan is part of the key; a change of plan writes a new key, and deletes none",
	"parallel-map":                 "a second map in memory is filled beside the first one, and never deleted from",
	"nested-empty":                 "the inner map of a Tenant is emptied, and stays in the outer one",
	"non-leader":                   "every replica notes each new Tenant in memory, and only the one that leads forgets it; needs --leader-elect",
	"annotation-never-removed":     "the registry's annotation for each Tenant is written, and nobody takes it away",
	"series-never-deleted":         "a metric has the Tenant's name as a label, and its series are never deleted; serves metrics",
	"set-again-in-defer":           "a deferred function notes the Tenant again after the cleanup has forgotten it",
}

type mistakeSet map[string]bool

func (m mistakeSet) String() string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ",")
}

func (m mistakeSet) Set(name string) error {
	if _, known := mistakes[name]; !known {
		return fmt.Errorf("unknown mistake %q; known: %s", name, knownMistakes())
	}
	m[name] = true
	return nil
}

func knownMistakes() string {
	all := mistakeSet{}
	for name := range mistakes {
		all[name] = true
	}
	return all.String()
}
