package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
	"github.com/devserve/devserve/reload"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(asProgram); what != "" {
		os.Exit(program(what))
	}
	leaktest.Main(m)
}

// writeSite makes a folder with files by their names.
func writeSite(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	return dir
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func newServer(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run starts s and waits until it watches.
func run(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("not ready after 10s")
	}
}

// Requests as browsers make them, by the element that asks.
var (
	navigation = []string{"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "none", "Accept", "text/html,*/*;q=0.8"}
	module     = []string{"Sec-Fetch-Dest", "script", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	classic    = []string{"Sec-Fetch-Dest", "script", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	link       = []string{"Sec-Fetch-Dest", "style", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin", "Accept", "text/css,*/*;q=0.1"}
	fetch      = []string{"Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	image      = []string{"Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Site", "same-origin", "Accept", "image/*,*/*;q=0.8"}
	inWorker   = []string{"Sec-Fetch-Dest", "worker", "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
	oldBrowser = []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"}
	curl       = []string{"Accept", "*/*"}
)

// do asks h and returns the answer with its body. header is pairs of names and values.
func do(t testing.TB, h http.Handler, method, target string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:3000"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func get(t testing.TB, h http.Handler, target string, header ...string) (*http.Response, string) {
	t.Helper()
	return do(t, h, "GET", target, header...)
}

// stream opens the event stream of s over a connection and returns a func that
// returns the next events' names and data until one satisfies ok.
func stream(t testing.TB, s *Server) func(ok func(name, data string) bool) (name, data string) {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections) // runs before Close, which waits for the stream
	resp, err := srv.Client().Get(srv.URL + s.base + "_devserve/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	type message struct{ name, data string }
	messages := make(chan message)
	go func() {
		defer close(messages)
		var m message
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				m.name = value
			case "data":
				m.data = value
			case "":
				if m.name != "" {
					select {
					case messages <- m:
					case <-t.Context().Done():
						return
					}
				}
				m = message{}
			}
		}
	}()
	return func(ok func(name, data string) bool) (string, string) {
		t.Helper()
		var seen []string
		deadline := time.After(20 * time.Second)
		for {
			select {
			case m, open := <-messages:
				if !open {
					t.Fatalf("the stream ended after %q", seen)
				}
				if ok(m.name, m.data) {
					return m.name, m.data
				}
				seen = append(seen, m.name+" "+m.data)
			case <-deadline:
				t.Fatalf("no such event within 20s, but %q", seen)
			}
		}
	}
}

func has(event string, words ...string) func(name, data string) bool {
	return func(name, data string) bool {
		for _, w := range words {
			if !strings.Contains(data, w) {
				return false
			}
		}
		return name == event
	}
}

func TestNewRefuses(t *testing.T) {
	dir := writeSite(t, map[string]string{"index.html": "x"})
	missing := filepath.Join(dir, "nope")
	file := filepath.Join(dir, "index.html")
	for _, tt := range []struct {
		name string
		o    Options
		want []string
	}{
		{"no dir", Options{}, []string{"no directory", `"."`}},
		{"missing dir", Options{Dir: missing}, []string{"no such directory", "nope", "index.html"}},
		{"a file", Options{Dir: file}, []string{"is no directory", "index.html", "the folder it is in"}},
		{"below a file", Options{Dir: file + "/x"}, []string{"server: open", "not a directory"}},
		{"base without slashes", Options{Dir: dir, Base: "sub"}, []string{`bad base "sub"`, `"/sub/"`}},
		{"base without end", Options{Dir: dir, Base: "/sub"}, []string{`bad base "/sub"`, `"/sub/"`}},
		{"base with dots", Options{Dir: dir, Base: "/../"}, []string{`bad base`}},
		{"base with a query", Options{Dir: dir, Base: "/a?b/"}, []string{`bad base`}},
		{"base with two slashes", Options{Dir: dir, Base: "//evil.example/"}, []string{`bad base`}},
		{"bad glob", Options{Dir: dir, Ignore: []string{"a[b"}}, []string{"a[b"}},
		{"bad host", Options{Dir: dir, AllowHosts: []string{"http://x"}}, []string{"http://x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.o)
			if err == nil {
				s.Close()
				t.Fatal("New accepts it")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
		})
	}
}

func TestSaveReachesThePage(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html":      `<!doctype html><title>t</title><script type="module" src="/main.ts"></script>`,
		"main.ts":         `import { x } from "./x"; document.title = x`,
		"x.ts":            `export const x: string = "first"`,
		"page.css":        `body { color: red }`,
		"public/logo.svg": `<svg/>`,
	})
	builds := make(chan Build, 100)
	s := newServer(t, Options{Dir: dir, OnBuild: func(b Build) { builds <- b }})
	next := stream(t, s)
	next(has("built", `"sync":true`))
	run(t, s) // which may build what the index page loads at once

	_, body := get(t, s, "/main.ts", module...)
	if !strings.Contains(body, "first") {
		t.Fatalf("bundle: %s", body)
	}
	next(has("built", `"updates":[]`))
	if b := <-builds; b.Did != "first build" || b.Entry != "/main.ts" || b.Modules != 2 {
		t.Errorf("first build: %+v", b)
	}

	write(t, filepath.Join(dir, "x.ts"), `export const x: string = "second"`)
	next(has("building", `x.ts`))
	next(has("built", `"type":"js"`, `"/x.ts"`, "second"))
	if b := <-builds; b.Did != "hot update" || len(b.Files) != 1 || b.Files[0] != "x.ts" || b.Clients != 1 || b.Took <= 0 {
		t.Errorf("hot update: %+v", b)
	}

	write(t, filepath.Join(dir, "x.ts"), `export const x: string = `)
	next(has("error", `"file":"x.ts"`, `"line":1`))
	if b := <-builds; b.Did != "error" || len(b.Errors) != 1 || b.Errors[0].File != "x.ts" {
		t.Errorf("error: %+v", b)
	}
	write(t, filepath.Join(dir, "x.ts"), `export const x: string = "third"`)
	next(has("built", "third"))

	write(t, filepath.Join(dir, "index.html"), `<!doctype html><title>u</title>`)
	next(has("built", `{"type":"html","path":"/index.html"}`))
	write(t, filepath.Join(dir, "public", "logo.svg"), `<svg></svg>`)
	next(has("built", `{"type":"asset","path":"/logo.svg"}`)) // as pages know it
	write(t, filepath.Join(dir, "page.css"), `body { color: blue }`)
	next(has("built", `{"type":"css","path":"/page.css"}`))
}

func TestMissingModuleThenCreated(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html": "<!doctype html>\n<title>t</title>\n<script type=\"module\" src=\"/src/main.ts\"></script>",
	})
	builds := make(chan Build, 100)
	s := newServer(t, Options{Dir: dir, OnBuild: func(b Build) { builds <- b }})
	run(t, s)
	next := stream(t, s)

	header := append([]string{"Referer", "http://localhost:3000/"}, module...)
	for range 2 { // told once
		resp, body := get(t, s, "/src/main.ts", header...)
		if resp.StatusCode != 404 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Fatalf("%s %s: %s", resp.Status, resp.Header.Get("Content-Type"), body)
		}
	}
	next(has("error", `There is no file \"src/main.ts\", which / asks for`,
		`"file":"index.html","line":3,"column":28,"length":12,"lineText":"\u003cscript type=`))
	if b := <-builds; b.Did != "error" || len(b.Errors) != 1 || b.Errors[0].File != "index.html" {
		t.Errorf("told the terminal: %+v", b)
	}
	if len(builds) != 0 {
		t.Errorf("told again: %+v", <-builds)
	}

	write(t, filepath.Join(dir, "src", "main.ts"), `export {}`)
	next(has("built", `"reload":{"reason":"src/main.ts was missing and is there now"}`))
	if resp, _ := get(t, s, "/src/main.ts", header...); resp.StatusCode != 200 {
		t.Errorf("after the fix: %s", resp.Status)
	}
}

func TestReload(t *testing.T) {
	s := newServer(t, Options{Dir: t.TempDir()})
	next := stream(t, s)
	next(has("built", `"sync":true`))
	if err := s.Reload("templates changed"); err != nil {
		t.Fatal(err)
	}
	next(has("built", `"reload":{"reason":"templates changed"}`))
	s.Close()
	if err := s.Reload("x"); !errors.Is(err, reload.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestRunEnds(t *testing.T) {
	dir := writeSite(t, map[string]string{"index.html": "x"})

	t.Run("by its context, and the streams with it", func(t *testing.T) {
		s := newServer(t, Options{Dir: dir})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		srv := httptest.NewServer(s)
		defer srv.Close() // would wait for an open stream
		resp, err := srv.Client().Get(srv.URL + "/_devserve/events")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
	})
	t.Run("by Close, called twice", func(t *testing.T) {
		s := newServer(t, Options{Dir: dir})
		done := make(chan error)
		go func() { done <- s.Run(context.Background()) }()
		<-s.Ready()
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Run(t.Context()); err != nil {
			t.Errorf("Run after Close: %v", err)
		}
	})
	t.Run("at once when called twice", func(t *testing.T) {
		s := newServer(t, Options{Dir: dir})
		run(t, s)
		if err := s.Run(t.Context()); err == nil {
			t.Error("no error")
		}
	})
}

func TestSeveralInOneProcess(t *testing.T) {
	one := newServer(t, Options{Dir: writeSite(t, map[string]string{"a.ts": "export const one = 1"})})
	two := newServer(t, Options{Dir: writeSite(t, map[string]string{"a.ts": "export const two = 2"}), Base: "/two/"})
	run(t, one)
	run(t, two)
	_, a := get(t, one, "/a.ts", module...)
	_, b := get(t, two, "/two/a.ts", module...)
	if !strings.Contains(a, "one") || strings.Contains(a, "two =") || !strings.Contains(b, "two") {
		t.Errorf("one: %s\ntwo: %s", a, b)
	}
}
