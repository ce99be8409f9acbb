package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// The app must compile, with every mark, and not compile where an error is wanted.
func TestApp(t *testing.T) {
	packages := t.TempDir()
	for _, name := range []string{"react", "react-dom", "react-refresh", "scheduler"} {
		if err := os.Mkdir(filepath.Join(packages, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	a, err := generate(filepath.Join(t.TempDir(), "app"), packages, 250)
	if err != nil {
		t.Fatal(err)
	}
	bundle := func() api.BuildResult {
		return api.Build(api.BuildOptions{
			AbsWorkingDir: a.dir, EntryPoints: []string{"src/main.tsx"}, Bundle: true, Outdir: "out", Metafile: true,
			JSX: api.JSXAutomatic, External: []string{"react", "react/jsx-runtime", "react-dom/client"},
		})
	}
	r := bundle()
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	if got := strings.Count(r.Metafile, `.tsx": {`); got < 251 {
		t.Errorf("%d modules in the bundle", got)
	}
	if got := strings.Count(string(r.OutputFiles[0].Contents), `className: "shared"`); got != 25 {
		t.Errorf("%d modules import shared.ts", got)
	}
	for _, save := range []style{inPlace, byRename} {
		for _, e := range a.edits() {
			path := filepath.Join(a.dir, e.path)
			if err := save(path, e.source(87654)); err != nil {
				t.Fatal(err)
			}
			out := ""
			for _, f := range bundle().OutputFiles {
				out += string(f.Contents)
			}
			if !strings.Contains(out, "87654") {
				t.Errorf("%s: the mark is not in the bundle", e.name)
			}
			if e.broken != "" {
				if err := save(path, e.broken); err != nil {
					t.Fatal(err)
				}
				if len(bundle().Errors) == 0 {
					t.Errorf("%s: what is broken compiles", e.name)
				}
			}
			if err := save(path, e.source(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(a.dir, "src", ".*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
