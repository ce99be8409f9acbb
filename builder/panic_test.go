package builder

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

// A panic ends the build that it is in; the next one is as if it had never been.
func TestPanics(t *testing.T) {
	const site = "-- a.js --\nimport './b.js'\n-- b.js --\nconsole.log('b1')\n"
	armed := true
	boom := func() {
		if armed {
			panic("boom")
		}
	}
	plugin := func(setup func(pb api.PluginBuild)) Options {
		return Options{Plugins: []api.Plugin{{Name: "mine", Setup: setup}}}
	}
	all := ".*"
	for name, o := range map[string]Options{
		"setup": plugin(func(pb api.PluginBuild) { boom() }),
		"start": plugin(func(pb api.PluginBuild) { pb.OnStart(func() (r api.OnStartResult, err error) { boom(); return }) }),
		"end": plugin(func(pb api.PluginBuild) {
			pb.OnEnd(func(*api.BuildResult) (r api.OnEndResult, err error) { boom(); return })
		}),
		"load": plugin(func(pb api.PluginBuild) {
			pb.OnLoad(api.OnLoadOptions{Filter: all}, func(api.OnLoadArgs) (r api.OnLoadResult, err error) { boom(); return })
		}),
		"resolve": plugin(func(pb api.PluginBuild) {
			pb.OnResolve(api.OnResolveOptions{Filter: all}, func(api.OnResolveArgs) (r api.OnResolveResult, err error) { boom(); return })
		}),
		"ours": {OnProgress: func(int, int) { boom() }}, // as if our own code did
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, txtar.Parse([]byte(site)), o)
			armed = true
			s.step("get a.js") // may fail: the first build of ours has no answer
			source := "mine"
			if name == "ours" {
				source = "devserve"
			}
			if r := s.last(); len(r.Errors) == 0 || !strings.Contains(r.Errors[0].Text, "boom") || r.Errors[0].Source != source {
				t.Fatalf("a panic is not told: %+v", r)
			}
			armed = false
			for _, step := range []string{"write a.js import './b.js';console.log('a2')", "get a.js", "errors 0", "has a2"} {
				if err := s.step(step); err != nil {
					t.Fatalf("%s: %v: %+v", step, err, s.last().Errors)
				}
			}
			armed = true
			s.step("write b.js console.log('b3')")
			if r := s.last(); len(r.Errors) == 0 || !strings.Contains(r.Errors[0].Text, "boom") {
				t.Fatalf("a panic in a later build is not told: %+v", r)
			}
			armed = false
			for _, step := range []string{"write a.js import './b.js';console.log('a4')", "get a.js", "errors 0", "has a4", "has b3"} {
				if err := s.step(step); err != nil {
					t.Fatalf("%s: %v: %+v", step, err, s.last().Errors)
				}
			}
		})
	}
}

// A panic before it is known what a change concerns is told, and the next build makes up for it.
func TestPanicInAffected(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte("-- a.js --\nconsole.log('a1')\n-- b.js --\nconsole.log('b1')\n")), Options{})
	s.step("get a.js")
	s.step("get b.js")
	r := s.b.resolver
	s.b.resolver = nil
	s.step("write b.js console.log('b2')")
	s.b.resolver = r
	if r := s.last(); len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Text, "panic") {
		t.Fatalf("not told: %+v", r)
	}
	for _, step := range []string{"write a.js console.log('a2')", "errors 0", "get b.js", "has b2"} {
		if err := s.step(step); err != nil {
			t.Fatalf("%s: %v: %+v", step, err, s.last().Errors)
		}
	}
	if s.last().Reload == "" {
		t.Error("pages are not loaded anew")
	}
}

// A panic of devserve's own plugins is told as its own, whichever call of esbuild they are for.
func TestPanicInOwnPlugin(t *testing.T) {
	b, err := New(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	o := b.baseOptions()
	o.Stdin = &api.StdinOptions{Contents: "1"}
	o.Plugins = []api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
		pb.OnStart(func() (api.OnStartResult, error) { panic("boom") })
	}}}
	if ds := b.diagnostics(b.esbuild(o).Errors); len(ds) != 1 || ds[0].Source != "devserve" || !strings.Contains(ds[0].Text, "boom") {
		t.Errorf("told: %+v", ds)
	}

	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "panic.go" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range regexp.MustCompile(`api\.(?:Build|Context)\((?s:.{0,400})`).FindAllString(string(text), -1) {
			if !strings.HasPrefix(call, "api.Context(r.b.guarded(") && !strings.HasPrefix(call, "api.Build(api.BuildOptions{\n\t\tStdin:") {
				t.Errorf("%s: plugins may panic in %.60s", name, call)
			}
		}
	}
}

// What a goroutine panics with reaches the one that waits for it.
func TestPanicInParallel(t *testing.T) {
	defer func() {
		if p, ok := recover().(*panicked); !ok || p.value != "boom" || !strings.Contains(string(p.stack), "TestPanicInParallel") {
			t.Errorf("panicked with %+v", p)
		}
	}()
	inParallel(9, func(i int) {
		if i == 5 {
			panic("boom")
		}
	})
}
