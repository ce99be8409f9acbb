package server

import (
	"errors"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/command"
)

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"site", "views/parts"} {
		if err := os.MkdirAll(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		globs []string
		roots []string
		hit   []string
		miss  []string
	}{
		{[]string{"views"}, []string{"views"}, []string{"views/a.html", "views/parts/b.tmpl"}, []string{"site/a.html"}},
		{[]string{"views/*.html"}, []string{"views"}, []string{"views/a.html"}, []string{"views/parts/a.html", "views/a.tmpl"}},
		{[]string{"**/*.gohtml"}, []string{""}, []string{"a.gohtml", "views/parts/b.gohtml"}, []string{"views/a.html"}},
		{[]string{"views/parts/*", filepath.Join(dir, "views/*.{tmpl,html}"), "views/parts"}, []string{"views"}, []string{"views/a.tmpl", "views/parts/x"}, []string{"views/a.go"}},
	} {
		s, err := New(Options{Dir: "site", Watch: tt.globs})
		if err != nil {
			t.Fatalf("%q: %v", tt.globs, err)
		}
		s.Close()
		for files, want := range map[*[]string]bool{&tt.hit: true, &tt.miss: false} {
			for _, f := range *files {
				if got := s.templates.means(filepath.Join(dir, f)); got != want {
					t.Errorf("%q means %s: %v", tt.globs, f, got)
				}
			}
		}
	}
	for glob, want := range map[string]string{
		"":            `bad glob ""`,
		"views/[":     `bad glob "views/\["`,
		"nowhere/*":   `watch "nowhere/\*": there is no folder "`,
		"a.html/b/**": `there is no folder`,
	} {
		if _, err := New(Options{Dir: "site", Watch: []string{glob}}); err == nil || !regexp.MustCompile("^server: .*"+want).MatchString(err.Error()) {
			t.Errorf("%q: %v", glob, err)
		}
	}
}

func TestOutermost(t *testing.T) {
	got := outermost([]string{"/a/b", "/a", "/ab", "/a", "/c/d", "/c"})
	if want := []string{"/a", "/ab", "/c"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOnChange shows what a program is told, what it can refuse, and what pages hear of it.
func TestOnChange(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	write(t, dir+"/views/page.html", "<h1>{{.Name}}</h1>")
	write(t, dir+"/views/other.html", "fine")
	told := make(chan []string, 10)
	builds := make(chan Build, 10)
	site := newServer(t, Options{
		Dir: t.TempDir(), Watch: []string{"views/**/*.html"},
		OnChange: func(files []string) error {
			told <- files
			_, err := template.ParseGlob("views/*.html")
			return err
		},
		OnBuild: func(b Build) { builds <- b },
	})
	run(t, site)
	next := func() ([]string, Build) {
		t.Helper()
		var files []string
		timeout := time.After(30 * time.Second)
		for {
			select {
			case files = <-told:
			case b := <-builds:
				return files, b
			case <-timeout:
				t.Fatal("nothing happens")
			}
		}
	}
	id := site.hub.ID()

	write(t, dir+"/views/page.txt", "not a template")
	write(t, dir+"/views/page.html", "<h1>\n  é {{.Name}</h1>")
	files, b := next()
	if want := []string{filepath.Join(dir, "views", "page.html")}; !reflect.DeepEqual(files, want) {
		t.Errorf("told of %q, want %q", files, want)
	}
	want := Diagnostic{
		Source: "template", Text: "bad character U+007D '}'", File: "views/page.html", Line: 2, LineText: "  é {{.Name}</h1>",
	}
	if b.Did != "error" || b.Source != "template" || len(b.Errors) != 1 || !reflect.DeepEqual(b.Errors[0], want) {
		t.Errorf("got %+v, want %+v", b, want)
	}

	write(t, dir+"/views/page.html", "<h1>{{.Name}}!</h1>")
	if _, b = next(); b.Did != "mended" || b.Source != "template" {
		t.Errorf("got %+v", b)
	}
	if _, b = next(); b.Did != "page refresh" || !reflect.DeepEqual(b.Files, []string{"views/page.html"}) {
		t.Errorf("got %+v", b)
	}
	site.Refresh()
	if _, b = next(); b.Did != "page refresh" || len(b.Files) != 1 {
		t.Errorf("got %+v", b)
	}
	if after := site.hub.ID(); after == id {
		t.Error("pages were told nothing")
	}
}

func TestTemplateErrors(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, dir+"/a/x.tmpl", "one\n\té {{.No}}\r\n")
	write(t, dir+"/b/y.tmpl", "")
	files := []string{filepath.Join(dir, "b", "y.tmpl"), filepath.Join(dir, "a", "x.tmpl")}
	for text, want := range map[string]Diagnostic{
		"anything else":              {Text: "anything else"},
		"template: gone.tmpl:3: bad": {Text: "template: gone.tmpl:3: bad"},
		"template: x.tmpl:9: bad":    {Text: "template: x.tmpl:9: bad"},
		"parse: template: x.tmpl:1: bad\nmore": {
			Text: "bad\nmore", File: "a/x.tmpl", Line: 1, LineText: "one"},
		`html/template:x.tmpl:2:6: executing "x.tmpl" at <.No>: no`: {
			Text: `executing "x.tmpl" at <.No>: no`, File: "a/x.tmpl", Line: 2, Column: 6, LineText: "\té {{.No}}"},
	} {
		want.Source = "template"
		if got := templateErrors(errors.New(text), files); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%q:\n got %+v\nwant %+v", text, got, want)
		}
	}
	if got := templateErrors(errors.Join(errors.New("a"), errors.New("b")), nil); len(got) != 2 {
		t.Errorf("joined: %+v", got)
	}
}

// TestTemplatesOfACommand shows that a backend that was started again for its templates alone is no other.
func TestTemplatesOfACommand(t *testing.T) {
	for files, want := range map[string]string{
		"page_templ.go":           "page refresh",
		"a/b.templ c.html d.TMPL": "page refresh",
		"page_templ.go main.go":   "",
		"templ.go":                "",
		"":                        "",
	} {
		did := ""
		s := newServer(t, Options{
			Dir: t.TempDir(), Commands: []command.Spec{{Name: "api", Line: "true"}},
			OnBuild: func(b Build) { did = b.Did },
		})
		id := s.hub.ID()
		for _, phase := range []command.Phase{command.Ready, command.Starting, command.Ready} {
			s.commandState(command.State{Name: "api", Phase: phase, Files: strings.Fields(files)})
		}
		if did != want || s.hub.ID() == id {
			t.Errorf("%q: %q, want %q", files, did, want)
		}
	}
}

var copyKey = regexp.MustCompile(`data-copy="([^"]+)"`)

// TestCopies shows which answers of a program can be asked for again as they were.
func TestCopies(t *testing.T) {
	site := newServer(t, Options{Dir: t.TempDir()})
	n := 0
	mux := http.NewServeMux()
	answer := func(path string, f func(w http.ResponseWriter)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { n++; f(w) })
	}
	const html = "text/html; charset=utf-8"
	answer("/typed", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", html)
		w.Header().Set("Content-Security-Policy", "img-src 'none'")
		io.WriteString(w, "<!doctype html><p>")
		w.(http.Flusher).Flush()
		io.Copy(w, strings.NewReader("typed"))
	})
	answer("/untyped", func(w http.ResponseWriter) { io.Copy(w, strings.NewReader("<!doctype html><p>untyped")) })
	answer("/error", func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", html)
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "<!doctype html><p>no")
	})
	answer("/empty", func(w http.ResponseWriter) { w.Header().Set("Content-Type", html) })
	answer("/text", func(w http.ResponseWriter) { http.Error(w, "text", http.StatusNotFound) })
	answer("/moved", func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) })
	answer("/long", func(w http.ResponseWriter) {
		io.WriteString(w, "<!doctype html>")
		io.Copy(w, strings.NewReader(strings.Repeat("<p>", maxCopy)))
	})
	h := site.Middleware(mux)
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/typed", "<!doctype html><p>typed"},
		{"GET", "/untyped", "<!doctype html><p>untyped"},
		{"GET", "/error", "<!doctype html><p>no"},
		{"GET", "/empty", "empty"},
		{"POST", "/typed", ""},
		{"GET", "/text", ""},
		{"GET", "/moved", ""},
		{"GET", "/long", "404"},
	} {
		n = 0
		res, body := do(t, h, tt.method, tt.path, navigation...)
		if h := res.Header.Get("Devserve-Copy"); h != "" {
			t.Errorf("%s: header is left: %s", tt.path, h)
		}
		m := copyKey.FindStringSubmatch(body)
		if (m != nil) != (tt.want != "") {
			t.Errorf("%s %s: key %q", tt.method, tt.path, m)
		}
		if m == nil {
			continue
		}
		res, body = get(t, h, "/_devserve/copy/"+m[1], fetch...)
		switch {
		case tt.want == "404":
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", tt.path, res.Status)
			}
		case tt.want == "empty":
			if res.StatusCode != http.StatusOK || body != "" {
				t.Errorf("%s: %s %q", tt.path, res.Status, body)
			}
		case body != tt.want || n != 1:
			t.Errorf("%s: got %q after %d renderings, want %q", tt.path, body, n, tt.want)
		case res.Header.Get("Content-Type") != "text/plain; charset=utf-8", tt.path == "/typed" && res.Header.Get("Devserve-Policy") != "img-src 'none'":
			t.Errorf("%s: %v", tt.path, res.Header)
		}
	}
	if res, _ := get(t, h, "/_devserve/copy/none", fetch...); res.StatusCode != http.StatusNotFound {
		t.Error(res.Status)
	}
}

func TestCopiesOfOtherServers(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "<!doctype html><p>"+r.URL.Path)
	}))
	t.Cleanup(other.Close)
	site := newServer(t, Options{Dir: t.TempDir(), Backend: other.URL, Proxy: map[string]string{"/app": other.URL}})
	for _, path := range []string{"/", "/app/x"} {
		_, body := get(t, site, path, navigation...)
		m := copyKey.FindStringSubmatch(body)
		if m == nil {
			t.Fatalf("%s: no key in %s", path, body)
		}
		if _, body := get(t, site, "/_devserve/copy/"+m[1], fetch...); body != "<!doctype html><p>"+path {
			t.Errorf("%s: got %q", path, body)
		}
	}
}

func TestCopiesAreBounded(t *testing.T) {
	var c copies
	for i := range 100 {
		c.keep(string(rune('a'+i)), &page{body: make([]byte, maxCopies/10)})
	}
	if len(c.pages) != 10 || len(c.order) != 10 || c.size > maxCopies {
		t.Errorf("%d pages, %d keys, %d bytes", len(c.pages), len(c.order), c.size)
	}
	if c.pages[c.order[9]] == nil || c.order[9] != string(rune('a'+99)) {
		t.Error("the newest is not kept")
	}
}
