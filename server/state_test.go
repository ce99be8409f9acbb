package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/reload"
)

// Each step and the events it leads to, in short.
func TestState(t *testing.T) {
	good := func(build int64, types ...builder.UpdateType) func(*state) {
		return func(s *state) {
			r := builder.Result{Build: build, Hash: fmt.Sprint("h", build)}
			for _, u := range types {
				r.Updates = append(r.Updates, builder.Update{Type: u})
			}
			s.result(r, nil)
		}
	}
	bad := func(build int64, text string) func(*state) {
		return func(s *state) {
			s.result(builder.Result{Build: build, Errors: []builder.Diagnostic{{Source: "esbuild", Text: text}}}, nil)
		}
	}
	missed := func(name, from string) func(*state) {
		return func(s *state) {
			s.missed(absence{name: name, from: from, Diagnostic: builder.Diagnostic{Text: "no " + name}})
		}
	}
	diagnose := func(source string, texts ...string) func(*state) {
		return func(s *state) {
			var ds []Diagnostic
			for _, text := range texts {
				ds = append(ds, Diagnostic{Text: text})
			}
			s.diagnose(source, ds)
		}
	}
	loaded := func(page string) func(*state) { return func(s *state) { s.loaded(page) } }
	there := func(names ...string) func(*state) {
		return func(s *state) { s.changed(func(name string) bool { return slices.Contains(names, name) }) }
	}

	type step struct {
		do   func(*state)
		want string
	}
	for name, steps := range map[string][]step{
		"builds": {
			{func(s *state) { s.building(1, []string{"a"}) }, "building 1 [a]"},
			{good(1, builder.JS), "built 1 h1 js"},
			{bad(2, "x"), "error 2 esbuild x"},
			{good(3), "built 3 h3"},
		},
		"not hot": {
			{func(s *state) {
				s.result(cold(builder.Result{Build: 1, Hash: "h1", Updates: []builder.Update{{Type: builder.JS}}}), nil)
			}, "built 1 h1 reload: hot updates are off"},
			{func(s *state) {
				s.result(cold(builder.Result{Build: 2, Errors: []builder.Diagnostic{{Text: "x"}}, Updates: []builder.Update{{Type: builder.JS}}}), nil)
			}, "error 2 esbuild x"},
			{good(3), "built 3 h3 reload: hot updates are off"},
			{good(4), "built 4 h4"},
		},
		"other sources": {
			{good(1), "built 1 h1"},
			{diagnose("backend", "b"), "error 1 backend b"},
			{diagnose("backend", "b"), ""}, // known
			{diagnose("templates"), ""},    // was never wrong
			{bad(2, "x"), "error 2 esbuild x"},
			{diagnose("backend", "c", "d"), "error 1 backend c d"},
			{diagnose("backend"), "built 1 h1 backend"},
			{diagnose("backend"), ""},
			{good(3), "built 3 h3"},
		},
		"missing until its page is loaded again": {
			{good(1), "built 1 h1"},
			{missed("a.ts", "/"), "error 1 esbuild no a.ts"},
			{missed("a.ts", "/"), ""}, // known
			{loaded("/other"), ""},
			{good(2, builder.CSS), "built 2 h2 css, error 2 esbuild no a.ts"},
			{loaded("/"), "built 2 h2"},
			{loaded("/"), ""},
			{missed("a.ts", "/"), "error 2 esbuild no a.ts"},
		},
		"missing until it comes": {
			{missed("a.ts", "/"), "error 0 esbuild no a.ts"},
			{there("b.ts"), ""},
			{there("a.ts"), "built 0  reload: a.ts was missing and is there now"},
			{good(1), "built 1 h1"},
		},
		"two missing": {
			{missed("a.ts", "/"), "error 0 esbuild no a.ts"},
			{missed("b.ts", "/"), "error 0 esbuild no a.ts no b.ts"},
			{missed("b.ts", "/two"), "error 0 esbuild no a.ts no b.ts no b.ts"},
			{there("a.ts"), "error 0 esbuild no b.ts no b.ts"},
			{loaded("/two"), "error 0 esbuild no b.ts"},
			{there("a.ts", "b.ts"), "built 0  reload: b.ts was missing and is there now"},
		},
		"missing and broken": {
			{bad(1, "x"), "error 1 esbuild x"},
			{missed("a.ts", "/"), "error 1 esbuild x no a.ts"},
			{bad(2, "y"), "error 2 esbuild y no a.ts"},
			{there("a.ts"), "error 2 esbuild y"},
			{good(3, builder.JS), "built 3 h3 js reload: a.ts was missing and is there now"},
			{good(4, builder.JS), "built 4 h4 js"},
		},
		"missing for a script or for nobody known": {
			{missed("a.ts", "/lib.js"), "error 0 esbuild no a.ts"},
			{missed("b.ts", ""), "error 0 esbuild no a.ts no b.ts"},
			{loaded("/any"), "built 0 "},
		},
		"listings": {
			{func(s *state) { s.list("/a/") }, ""},
			{func(s *state) { s.result(builder.Result{Build: 1, Hash: "h1", Files: []string{"a/b"}}, nil) }, "built 1 h1 html"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			s := &state{base: "/", publish: func(e reload.Event) { said = append(said, short(e)) }}
			for i, step := range steps {
				said = nil
				step.do(s)
				if got := strings.Join(said, ", "); got != step.want {
					t.Fatalf("step %d: %q, want %q", i, got, step.want)
				}
			}
		})
	}
}

func short(e reload.Event) string {
	switch e := e.(type) {
	case reload.Building:
		return fmt.Sprint("building ", e.Build, " ", e.Files)
	case reload.Built:
		text := strings.TrimSuffix(fmt.Sprintf("built %d %s %s", e.Build, e.Hash, e.Source), " ")
		for _, u := range e.Updates {
			text += " " + string(u.Type)
		}
		if e.Reload != nil {
			text += " reload: " + e.Reload.Reason
		}
		return text
	case reload.Error:
		text := fmt.Sprintf("error %d %s", e.Build, e.Source)
		for _, d := range e.Errors {
			text += " " + d.Text
		}
		return text
	}
	return "unknown"
}

func TestAbsence(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html":      "<!doctype html>\r\n<title>é𝄞</title>\r\n<p>é𝄞</p> <script src=\"/sub/a.ts\"></script>\r\n",
		"docs/index.html": "<script src=./b.ts></script>",
		"about.html":      strings.Repeat(" ", 600) + "<script src=b.ts>",
	})
	f := files{dir: dir, base: "/sub/"}
	for _, tt := range []struct{ name, from, want string }{
		{"a.ts", "/sub/", `index.html:3:25+9 There is no file "a.ts", which /sub/ asks for`},
		{"a.ts", "/sub/index.html", `index.html:3:25+9 There is no file "a.ts", which /sub/index.html asks for`},
		{"a.ts", "/sub/some/route", `index.html:3:25+9 There is no file "a.ts", which /sub/some/route asks for`},
		{"docs/b.ts", "/sub/docs/", `docs/index.html:1:15+4 There is no file "docs/b.ts", which /sub/docs/ asks for`},
		{"c.ts", "/sub/docs/", `docs/index.html:0:0+0 There is no file "c.ts", which /sub/docs/ asks for`},
		{"b.ts", "/sub/about", `about.html:0:0+0 There is no file "b.ts", which /sub/about asks for`},
		{"b.ts", "/app", `:0:0+0 There is no file "b.ts", which /app asks for`},
		{"b.ts", "", `:0:0+0 There is no file "b.ts"`},
	} {
		a := f.absence(tt.name, tt.from)
		if got := fmt.Sprintf("%s:%d:%d+%d %s", a.File, a.Line, a.Column, a.Length, a.Text); got != tt.want {
			t.Errorf("%s from %q:\n%s, want\n%s", tt.name, tt.from, got, tt.want)
		}
		if strings.Contains(a.LineText, "\r") {
			t.Errorf("%q ends in CR", a.LineText)
		}
	}
}
