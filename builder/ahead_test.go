package builder

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

// What was compiled ahead is taken if the file is still the same, and nothing else has changed.
func TestAhead(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ahead   string // a.js then
		change  map[string]string
		taken   bool
		updates string
		errors  int
	}{
		{"the same", `export default "ahead"`, map[string]string{"a.js": `export default "ahead"`}, true, "ahead", 0},
		{"broken", `export default = `, map[string]string{"a.js": `export default = `}, true, "", 1},
		{"broken only ahead", `export default = `, map[string]string{"a.js": `export default "late"`}, false, "late", 0},
		{"written in two pieces", `export default "one`, map[string]string{"a.js": `export default "one" + "two"`}, false, "two", 0},
		{"empty at first", ``, map[string]string{"a.js": `export default "late"`}, false, "late", 0},
		{"what it imports comes with it", `export * from "./new"`, map[string]string{"a.js": `export * from "./new"`, "new.js": `export default 1`}, false, "new", 0},
		{"a package.json that changes what it means", `export default "ahead"`,
			map[string]string{"a.js": `export default "ahead"`, "package.json": `{"type": "module"}`}, false, "ahead", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, txtar.Parse([]byte("-- main.js --\nimport * as a from './a.js'\nconsole.log(a)\n-- a.js --\nexport default 'old'\n")), Options{})
			if _, err := s.b.Script(context.Background(), "main.js"); err != nil {
				t.Fatal(err)
			}
			must(t, os.WriteFile(s.path("a.js"), []byte(tt.ahead), 0o666))
			s.b.Ahead(s.path("a.js"))
			made := s.b.ahead
			var names []string
			for name, text := range tt.change {
				must(t, s.save(name, []byte(text)))
				names = append(names, name)
			}
			s.rebuild(names...)
			last := s.last()
			var code strings.Builder
			for _, u := range last.Updates {
				code.WriteString(u.Code)
			}
			if len(last.Errors) != tt.errors || !strings.Contains(code.String(), tt.updates) {
				t.Errorf("got %+v", last)
			}
			m := s.b.modules["/a.js"]
			if taken := made != nil && (m.next == made.compiled || len(made.errors) > 0 && len(m.errors) > 0); taken != tt.taken {
				t.Errorf("taken: %v", taken)
			}
			if s.b.ahead != nil {
				t.Error("it is kept")
			}
		})
	}
}

// Nothing is done ahead for what is no module, or was compiled before, or when plugins could see it.
func TestNothingAhead(t *testing.T) {
	archive := txtar.Parse([]byte("-- main.js --\nimport './a.js'\n-- a.js --\nlet a = 1\n-- other.js --\nlet b = 1\n-- pic.svg --\n<svg/>\n"))
	plugin := api.Plugin{Name: "p", Setup: func(api.PluginBuild) {}}
	for _, o := range []Options{{}, {CacheDir: t.TempDir()}, {Plugins: []api.Plugin{plugin}}} {
		s := newSite(t, archive, o)
		if _, err := s.b.Script(context.Background(), "main.js"); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"other.js", "pic.svg", "missing.js", "."} {
			s.b.Ahead(s.path(name))
		}
		if o.CacheDir != "" {
			s.b.Ahead(s.path("a.js")) // as it was
		}
		must(t, s.save("a.js", []byte("let a = 2\n")))
		if len(o.Plugins) > 0 {
			s.b.Ahead(s.path("a.js"))
		}
		if s.b.ahead != nil {
			t.Errorf("%+v: compiled %s", o, s.b.ahead.m.id)
		}
	}
}

// A module is compiled from what was read of its file when it was asked for, although the file has changed since: what is kept of
// it, by its content, would be another's.
func TestCompiledAsRead(t *testing.T) {
	for _, name := range []string{"a.js", "a.css", "a.module.css"} {
		s := newSite(t, txtar.Parse([]byte("-- a.js --\nexport let late\n-- a.css --\n.late { top: 0 }\n-- a.module.css --\n.late { top: 0 }\n")), Options{})
		m := s.b.add(s.b.resolver.target(s.path(name), ""))
		early := map[bool]string{true: "export let early\n", false: ".early { top: 0 }\n"}[name == "a.js"]
		s.b.sources = map[string][]byte{m.path: []byte(early)}
		c := s.b.compile([]*module{m})[m].compiled
		if got := string(c.code) + string(c.style); !strings.Contains(got, "early") || strings.Contains(got, "late") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
