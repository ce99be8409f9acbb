package server_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const ours = "github.com/devserve/devserve"

// The house stays as it is drawn: each edge that must not be, over whatever other packages, and why.
func TestForbiddenImports(t *testing.T) {
	const all = "*" // any package of ours
	deps := list(t, "Deps")
	for _, tt := range []struct{ from, to, why string }{
		{"reload", "builder", "a program that only wants its pages reloaded does not link a bundler"},
		{"reload", "watcher", "a program that only wants its pages reloaded has its own way to notice changes"},
		{"reload", "github.com/evanw/esbuild", "a program that only wants its pages reloaded does not link a bundler"},
		{"reload", "github.com/fsnotify/fsnotify", "a program that only wants its pages reloaded has its own way to notice changes"},
		{"watcher", all, "files change, whatever is done about it"},
		{"watcher", "net/http", "files change, whoever is told"},
		{"client", all, "it is text for the page"},
		{"client", "github.com/evanw/esbuild", "the scripts are bundled before they are committed"},
		{"builder", "reload", "what a change means is said once, whoever tells the pages"},
		{"builder", "watcher", "a change is a path, whoever saw it"},
		{"builder", "server", "data moves right only"},
		{"production", "server", "what is built is files, whoever serves them"},
		{"production", "reload", "a host has nobody to tell that something changed"},
		{"command", all, "programs run beside a site, whoever shows their states"},
		{"server", "github.com/urfave/cli", "a program that embeds us has its own flags"},
	} {
		from := ours + "/" + tt.from
		got, ok := deps[from]
		if !ok {
			t.Errorf("no package %s", from)
		}
		for _, dep := range got {
			to := tt.to
			if to == all {
				to = ours
			} else if _, ok := deps[ours+"/"+to]; ok {
				to = ours + "/" + to
			}
			if tt.to == all && strings.HasPrefix(dep, ours+"/internal/") {
				continue // a leaf, which knows nothing of what it is used for
			}
			if dep == to || strings.HasPrefix(dep, to+"/") {
				t.Errorf("%s imports %s, but: %s", tt.from, dep, tt.why)
			}
		}
	}
	// esbuild itself links net/http, so this edge is looked for only where we would draw it.
	if slices.Contains(list(t, "Imports")[ours+"/builder"], "net/http") {
		t.Error("builder imports net/http, but: an output is bytes with a type, whoever serves it")
	}
	for from, got := range deps {
		if slices.Contains(got, ours) {
			t.Errorf("%s imports package main", from)
		}
	}
}

// list asks the go command for a list of each package of ours.
func list(t *testing.T, field string) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-e", "-f", "{{.ImportPath}} {{join ."+field+` " "}}`, ours+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		packages[words[0]] = words[1:]
	}
	return packages
}
