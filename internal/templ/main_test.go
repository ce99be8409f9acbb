package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/internal/leaktest"
	"github.com/devserve/devserve/server"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const limit = 2 * time.Minute // templ and the program may have to be compiled first

// A project is a copy of this module that is edited.
type project struct {
	t   *testing.T
	dir string
}

func copied(t *testing.T) project {
	t.Helper()
	p := project{t, t.TempDir()}
	for _, name := range []string{"go.mod", "go.sum", "main.go", "page.templ", "page_templ.go"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p.write(name, string(data))
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := p.run("go", "mod", "edit", "-replace=github.com/devserve/devserve="+root); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.write("site/style.css", "h1 { color: red }\n")
	return p
}

func (p project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p project) read(name string) string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

func (p project) replace(name, old, new string) {
	p.t.Helper()
	text := p.read(name)
	if !strings.Contains(text, old) {
		p.t.Fatalf("%s has no %q", name, old)
	}
	p.write(name, strings.Replace(text, old, new, 1))
}

func (p project) run(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// serve runs a server of o, around next if it is not nil.
func serve(t *testing.T, o server.Options, next http.Handler) *httptest.Server {
	t.Helper()
	dev, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = dev
	if next != nil {
		h = dev.Middleware(next)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- dev.Run(ctx) }()
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		srv.Close()
	})
	select {
	case <-dev.Ready():
	case <-time.After(limit):
		t.Fatal("the server is not ready")
	}
	return srv
}

// ask is a navigation of a browser.
func ask(t *testing.T, url string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Dest", "document")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func page(t *testing.T, url string) string {
	t.Helper()
	body, err := io.ReadAll(ask(t, url).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

const client = `<script src="/_devserve/client.js"`

// An event is what pages are told.
type event struct {
	name    string
	Updates []struct {
		Type, Path string
		Rendered   bool
	}
	Errors []struct {
		Text, File, LineText string
		Line                 int
	}
}

// events returns what waits for the next event that is right.
func events(t *testing.T, url string) func(what string, right func(event) bool) event {
	lines := bufio.NewScanner(ask(t, url+"/_devserve/events").Body)
	lines.Buffer(nil, 1<<20)
	return func(what string, right func(event) bool) event {
		t.Helper()
		name, seen := "", ""
		for lines.Scan() {
			seen += lines.Text() + "\n"
			if n, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = n
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				e := event{name: name}
				if json.Unmarshal([]byte(data), &e) == nil && right(e) {
					return e
				}
			}
		}
		t.Fatalf("no %s: %v\n%s", what, lines.Err(), seen)
		return event{}
	}
}

func broken(e event) bool    { return e.name == "error" && len(e.Errors) > 0 }
func mended(e event) bool    { return e.name == "built" && len(e.Errors) == 0 }
func refreshed(e event) bool { return e.name == "built" && len(e.Updates) > 0 && e.Updates[0].Rendered }

func TestGenerated(t *testing.T) {
	p := copied(t)
	want := p.read("page_templ.go")
	p.write("page_templ.go", "package main\n")
	if out, err := p.run("go", "tool", "templ", "generate"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if p.read("page_templ.go") != want {
		t.Error("page_templ.go is not current: go tool templ generate")
	}
}

// Behind devserve, templ generates and the program is started again, with every save.
func TestCommands(t *testing.T) {
	p := copied(t)
	srv := serve(t, server.Options{
		Dir: filepath.Join(p.dir, "site"),
		Commands: []command.Spec{
			{Line: "go tool templ generate", Dir: p.dir},
			{Line: "go run .", Dir: p.dir},
		},
	}, nil)
	if body := page(t, srv.URL); !strings.Contains(body, "<h1>Guests</h1>") || strings.Count(body, client) != 1 {
		t.Fatalf("got %q", body)
	}
	next := events(t, srv.URL)

	p.replace("page.templ", "Guests", "Friends")
	e := next("refresh", refreshed)
	if !strings.HasSuffix(e.Updates[0].Path, ".templ") && !strings.HasSuffix(e.Updates[0].Path, "_templ.go") {
		t.Errorf("refreshed for %q", e.Updates[0].Path)
	}
	if body := page(t, srv.URL); !strings.Contains(body, "<h1>Friends</h1>") {
		t.Errorf("told too early: %q", body)
	}

	p.replace("page.templ", "</ul>", "</ol>")
	e = next("error", broken)
	if d := e.Errors[0]; !strings.HasSuffix(d.File, "page.templ") || !strings.Contains(d.Text, "expected nodes") ||
		d.Line != 27 || strings.TrimSpace(d.LineText) != "</ol>" {
		t.Errorf("got %+v", d)
	}
	if body := page(t, srv.URL); !strings.Contains(body, "<h1>Friends</h1>") {
		t.Errorf("the old program does not go on: %q", body)
	}
	p.replace("page.templ", "</ol>", "</ul>")
	next("mended", mended)

	// What the generated code has wrong is Go's to say.
	p.replace("page.templ", "<h1>{ title }", "<h1>{ titel }")
	e = next("error", broken)
	if d := e.Errors[0]; !strings.Contains(d.Text, "undefined: titel") || d.Line == 0 {
		t.Errorf("got %+v", d)
	}
	p.replace("page.templ", "<h1>{ titel }", "<h1>{ title }")
	next("mended", mended)
}

// Inside a program pages follow once OnChange has generated; what templ finds wrong is shown.
func TestMiddleware(t *testing.T) {
	p := copied(t)
	srv := serve(t, server.Options{
		Dir:   filepath.Join(p.dir, "site"),
		Watch: []string{filepath.Join(p.dir, "*.templ")},
		OnChange: func([]string) error {
			out, err := p.run("go", "tool", "templ", "generate")
			if err != nil {
				return fmt.Errorf("%w\n%s", err, out)
			}
			return nil
		},
	}, new(book).handler())
	next := events(t, srv.URL)

	p.replace("page.templ", "Guests", "Friends")
	next("refresh", refreshed)
	if !strings.Contains(p.read("page_templ.go"), "Friends") {
		t.Error("told before templ had generated")
	}
	p.replace("page.templ", "</ul>", "</ol>")
	if e := next("error", broken); !strings.Contains(e.Errors[0].Text, "page.templ") || !strings.Contains(e.Errors[0].Text, "line 27") {
		t.Errorf("got %+v", e)
	}
	p.replace("page.templ", "</ol>", "</ul>")
	next("mended", mended)
}

// Each piece that templ flushes arrives before the next one is there.
func TestFlush(t *testing.T) {
	b := &book{arriving: make(chan string)}
	srv := serve(t, server.Options{Dir: t.TempDir()}, b.handler())
	go func() { b.arriving <- "Ada" }()
	res := ask(t, srv.URL+"/arrivals")
	var got string
	until := func(want string) {
		t.Helper()
		buf := make([]byte, 4096)
		for !strings.Contains(got, want) {
			n, err := res.Body.Read(buf)
			got += string(buf[:n])
			if err != nil && !strings.Contains(got, want) {
				t.Fatalf("no %q in %q: %v", want, got, err)
			}
		}
	}
	until("<p>Ada</p>")
	b.arriving <- "Grace"
	until("<p>Grace</p>")
	close(b.arriving)
	until("</html>")
	if strings.Count(got, client) != 1 || strings.Index(got, client) > strings.Index(got, "Ada") {
		t.Errorf("got %q", got)
	}
}
