package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

// What is edited is stood by for, the newest edits alone; what is not compiled by itself is not.
func TestStandby(t *testing.T) {
	var archive strings.Builder
	for _, name := range []string{"a.js", "b.tsx", "c.css", "d.module.css", "e.js", "f.json", "g.svg"} {
		fmt.Fprintf(&archive, "-- %s --\n%s", name, map[bool]string{true: "{}\n"}[strings.HasSuffix(name, ".json")])
	}
	archive.WriteString("-- main.js --\nimport './a.js'; import './b.tsx'; import './c.css'; import './d.module.css'; import './e.js'; import './f.json'; import './g.svg'\n")
	plugin := api.Plugin{Name: "p", Setup: func(api.PluginBuild) {}}
	for _, tt := range []struct {
		plugins []api.Plugin
		edits   string // a comma ends a build
		want    string
	}{
		{nil, "a.js", "a.js"},
		{nil, "a.js, a.js", "a.js"},
		{nil, "a.js, b.tsx, c.css, d.module.css", "a.js b.tsx c.css d.module.css"},
		{nil, "a.js, b.tsx, c.css, d.module.css, a.js, e.js", "c.css d.module.css a.js e.js"},
		{nil, "f.json, g.svg", ""},
		{nil, "a.js b.tsx", ""}, // a checkout is no edit
		{nil, "a.js, new.js", ""},
		{nil, "a.js, new.js, a.js", "a.js"},
		{[]api.Plugin{plugin}, "a.js", ""},
	} {
		s := newSite(t, txtar.Parse([]byte(archive.String())), Options{Plugins: tt.plugins})
		if _, err := s.b.Script(context.Background(), "main.js"); err != nil {
			t.Fatal(err)
		}
		for i, names := range strings.Split(tt.edits, ", ") {
			for _, name := range strings.Fields(names) {
				text := map[bool]string{true: fmt.Sprintf("a { top: %dpx }", i), false: fmt.Sprint(i)}[strings.HasSuffix(name, ".css")]
				must(t, s.save(name, []byte(text)))
			}
			s.rebuild(strings.Fields(names)...)
		}
		var got []string
		for _, y := range s.b.standbys {
			got = append(got, strings.TrimPrefix(y.w.ms[0].id, "/"))
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("after %s esbuild stands by for %q", tt.edits, got)
		}
	}
}

// A call that panics while it stands by does so to whoever asks for what it gives.
func TestPanicInStandby(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte("-- a.js --\n1\n")), Options{})
	must(t, s.step("get a.js"))
	y := newStandby(s.b.newWave([]*module{s.b.modules["/a.js"]}, api.SourceMapNone))
	s.b.standbys = append(s.b.standbys, y)
	s.b.standing.Go(func() { y.run(0, func() api.BuildResult { panic("boom") }) })
	must(t, s.step("write a.js 2"))
	if r := s.last(); len(r.Errors) != 1 || !strings.Contains(r.Errors[0].Text, "boom") {
		t.Errorf("told: %+v", r)
	}
	must(t, s.step("write a.js 3"))
	if r := s.last(); len(r.Errors) > 0 {
		t.Errorf("afterwards: %+v", r)
	}
}
