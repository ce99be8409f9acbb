package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/reload"
)

// lines takes what is written to it.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A request that panics is answered, pages show it, and they forget it once the same request works.
func TestPanicInRequest(t *testing.T) {
	log := make(chan string, 100)
	s := newServer(t, Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(lines(log), nil))})
	var armed atomic.Bool
	armed.Store(true)
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !armed.Load():
		case r.URL.Path == "/late":
			io.WriteString(w, "half an ")
			panic("late boom")
		case r.URL.Path == "/aborts":
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Length", "7")
			panic("boom <b>")
		}
		io.WriteString(w, "answers")
	}))
	next := stream(t, s)
	told := func(want string) {
		t.Helper()
		next(func(name, data string) bool { return strings.HasPrefix(name+" "+data, want) })
	}
	told("built")

	res, body := get(t, h, "/page", navigation...)
	if res.StatusCode != 500 || !strings.Contains(body, "client.js") || strings.Contains(body, "boom") {
		t.Errorf("a page that panics: %s %s", res.Status, body)
	}
	told(`error {"build":0,"source":"devserve","errors":[{"text":"panic in GET /page: boom \u003cb\u003e;`)
	if res, _ := get(t, h, "/data", fetch...); res.StatusCode != 500 {
		t.Errorf("a request that panics: %s", res.Status)
	}
	if text := <-log; !strings.Contains(text, "TestPanicInRequest") {
		t.Errorf("no stack in the log: %s", text)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	defer srv.Close()
	for _, path := range []string{"/late", "/aborts"} {
		res, err := srv.Client().Get(srv.URL + path)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("GET %s: an answer that was cut off passes for a whole one", path)
		}
	}

	armed.Store(false)
	for _, path := range []string{"/page", "/data"} {
		if res, body := get(t, h, path, fetch...); res.StatusCode != 200 || body != "answers" {
			t.Errorf("after the panic: %s %s", res.Status, body)
		}
	}
	if res, err := srv.Client().Get(srv.URL + "/late"); err != nil {
		t.Error(err)
	} else {
		res.Body.Close()
	}
	told(`built {"build":0,"source":"devserve"`)
}

// A function of the user's that panics is told, and called again for what comes next.
func TestPanicInCallback(t *testing.T) {
	dir := writeSite(t, map[string]string{"a.ts": "console.log(1)"})
	var builds atomic.Int32
	s := newServer(t, Options{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), OnBuild: func(Build) {
		if builds.Add(1) < 3 {
			panic("boom")
		}
	}})
	run(t, s)
	next := stream(t, s)
	if res, _ := get(t, s, "/a.ts", module...); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	next(func(name, data string) bool {
		return name == "error" && strings.Contains(data, "panic in OnBuild: boom")
	})
	write(t, filepath.Join(dir, "a.ts"), "console.log(2)")
	next(func(name, data string) bool { return strings.Contains(data, "console.log(2)") })
	write(t, filepath.Join(dir, "a.ts"), "console.log(3)")
	next(func(name, data string) bool { return name == "built" && strings.Contains(data, `"source":"devserve"`) })

	// Each by itself, as a panic would end this test.
	boom := func() { panic("boom") }
	s = newServer(t, Options{
		Dir: dir, OnProgress: func(int, int) { boom() }, OnOutput: func(string, string) { boom() },
		OnCommand: func(command.State, []Diagnostic) { boom() },
	})
	s.o.OnProgress(1, 2)
	s.o.OnOutput("", "")
	s.o.OnCommand(command.State{}, nil)
}

// What is called for changes may panic as well.
func TestPanicBesideRequests(t *testing.T) {
	dir, templates := t.TempDir(), t.TempDir()
	s := newServer(t, Options{Dir: dir, Watch: []string{templates}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	var armed atomic.Bool
	publish := s.state.publish
	s.state.publish = func(e reload.Event) {
		if armed.Swap(false) {
			panic("boom")
		}
		publish(e)
	}
	run(t, s)
	next := stream(t, s)
	for what, file := range map[string]string{"templates": filepath.Join(templates, "a.html"), "files": filepath.Join(dir, "a.ts")} {
		get(t, s, "/a.ts", module...) // which is not there: pages are told when it comes
		armed.Store(true)
		write(t, file, "one")
		next(func(name, data string) bool {
			return name == "error" && strings.Contains(data, "panic in a change of "+what+": boom")
		})
		write(t, file, "two")
		next(func(name, data string) bool { return name == "built" && strings.Contains(data, `"source":"devserve"`) })
	}
}
