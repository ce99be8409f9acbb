package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// api is a Go program that listens at ADDR and answers text.
const api = `package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	os.WriteFile("pid", []byte(fmt.Sprint(os.Getpid())), 0o666)
	l, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(c, %s)
		c.Close()
	}
}
`

func goRunSpec(t *testing.T) (dir, addr string, s Spec) {
	dir, addr = t.TempDir(), freeAddr(t)
	put(t, filepath.Join(dir, "go.mod"), "module example.com/app\n\ngo 1.24\n")
	put(t, filepath.Join(dir, "cmd/api/main.go"), fmt.Sprintf(api, `"one"`))
	return dir, addr, Spec{Name: "api", Line: "ADDR=" + addr + " go run ./cmd/api", Ready: Dial(addr)}
}

// The life of a backend: a build that passes replaces it, one that does not leaves it, and so does a build of the same.
func TestGoRun(t *testing.T) {
	dir, addr, spec := goRunSpec(t)
	f := run(t, dir, Options{}, spec)
	if err := f.Wait(t.Context(), "api"); err != nil {
		t.Fatal(err)
	}
	if got := ask(addr); got != "one" {
		t.Fatalf("answers %q", got)
	}

	n := f.now()
	f.edit("cmd/api/main.go", fmt.Sprintf(api, `"two"+nothing`))
	s := f.reached(n, "api", Failed)
	if !s.Serving || ask(addr) != "one" {
		t.Errorf("the old program does not serve: %+v", s)
	}
	if len(s.Files) != 1 || s.Files[0] != "cmd/api/main.go" || s.Reason == "" || s.Took == 0 {
		t.Errorf("state %+v", s)
	}
	want := Diagnostic{Source: "go", Text: "undefined: nothing", File: "cmd/api/main.go", Line: 20, Column: 23,
		LineText: "\t\tfmt.Fprint(c, \"two\"+nothing)"}
	if len(s.Diagnostics) != 1 || !equal(s.Diagnostics[0], want) {
		t.Errorf("diagnostics %+v, want %+v", s.Diagnostics, want)
	}
	if err := f.Wait(t.Context()); err != nil { // there is something to serve
		t.Error(err)
	}

	n = f.now()
	kill(t, read1(t, filepath.Join(dir, "pid"))) // it comes back, but its source is still broken
	f.told(n, "api", "crashed", func(s State) bool { return s.Phase == Failed && !s.Serving && len(s.Diagnostics) == 2 })
	s = f.told(n, "api", "serves again", func(s State) bool { return s.Serving })
	if s.Phase != Failed || len(s.Diagnostics) != 1 || !equal(s.Diagnostics[0], want) || ask(addr) != "one" {
		t.Errorf("%+v", s)
	}

	n = f.now()
	f.edit("cmd/api/main.go", fmt.Sprintf(api, `"two"`))
	f.reached(n, "api", Ready)
	if got := ask(addr); got != "two" {
		t.Errorf("answers %q", got)
	}

	n = f.now()
	f.edit("other/other.go", "package other\n") // no part of the program
	f.reached(n, "api", Ready)
	f.mu.Lock()
	for _, s := range f.states[n:] {
		if s.Phase == Starting {
			t.Errorf("restarted although the program is the same")
		}
	}
	f.mu.Unlock()

	f.stop()
	if _, err := os.Stat(f.units[0].temp); err == nil {
		t.Error("what was built is left over")
	}
}

func equal(a, b Diagnostic) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

// A burst of saves ends in the newest; builds in between are not waited for.
func TestBurst(t *testing.T) {
	dir, addr, spec := goRunSpec(t)
	f := run(t, dir, Options{}, spec)
	f.reached(0, "api", Ready)
	for i := range 30 {
		f.edit("cmd/api/main.go", fmt.Sprintf(api, fmt.Sprintf(`"burst %d"`, i)))
		if i%5 == 0 {
			f.told(0, "api", "building", func(s State) bool { return s.Phase == Building })
		}
	}
	poll(t, "the newest answers", func() bool { return ask(addr) == "burst 29" })
}

// fakeGo is a Spec of the child that is called go.
func fakeGo(t *testing.T, dir string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "go")); err != nil {
		t.Fatal(err)
	}
	s := self("go")
	s.Args = []string{filepath.Join(dir, "go"), "run", "."}
	return s
}

// A build that is old news is ended, however long it would take.
func TestBuildIsCancelled(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "main.go"), "hang")
	f := run(t, dir, Options{Grace: 50 * time.Millisecond}, fakeGo(t, dir))
	poll(t, "the first build", func() bool { return lines(filepath.Join(dir, "builds.log")) == 1 })
	f.edit("main.go", "better")
	f.reached(0, "go", Ready)
	if n := lines(filepath.Join(dir, "builds.log")); n != 2 {
		t.Errorf("%d builds", n)
	}
}

// A program that dies while the next is built comes back if nothing comes of that.
func TestDiesDuringBuild(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "main.go"), "good")
	f := run(t, dir, Options{Grace: 50 * time.Millisecond}, fakeGo(t, dir))
	f.reached(0, "go", Ready)
	n := f.now()
	f.edit("main.go", "hang")
	f.reached(n, "go", Building)
	pid := read1(t, filepath.Join(dir, "pid"))
	kill(t, pid)
	f.told(n, "go", "is dead", func(s State) bool { return s.Phase == Building && !s.Serving })
	n = f.now()
	f.edit("main.go", "fail")
	f.reached(n, "go", Failed)
	if s := f.told(n, "go", "serves again", func(s State) bool { return s.Serving }); s.Phase != Failed || len(s.Diagnostics) != 1 {
		t.Errorf("%+v", s)
	}
	if again := read1(t, filepath.Join(dir, "pid")); again == pid {
		t.Errorf("it is still %s", pid)
	}
}

// When something else has the port, its answers do not make a program ready that dies of that.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := self("listen", l.Addr().String())
	s.Ready = Dial(l.Addr().String())
	f := run(t, t.TempDir(), Options{}, s)
	d := f.reached(0, "listen", Failed).Diagnostics[0]
	if len(d.Notes) == 0 || !strings.Contains(d.Notes[0].Text, "Another program has the port") {
		t.Errorf("%+v", d)
	}
	f.mu.Lock()
	for _, s := range f.states {
		if s.Serving {
			t.Errorf("%+v", s)
		}
	}
	f.mu.Unlock()
	poll(t, "the word on it", func() bool { return f.printed("something else answers already") })
}

// What ends when its input does goes on; what has ended well is not started again.
func TestInput(t *testing.T) {
	f := run(t, t.TempDir(), Options{}, self("eof"), Spec{Name: "true", Line: "true"})
	f.reached(0, "eof", Ready)
	if s := f.reached(0, "true", Stopped); s.Reason != "it has ended" {
		t.Errorf("%+v", s)
	}
	if err := f.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEmbedded(t *testing.T) {
	dir, addr, spec := goRunSpec(t)
	put(t, filepath.Join(dir, "cmd/api/text/a.txt"), "first")
	put(t, filepath.Join(dir, "cmd/api/text.go"), "package main\n\nimport _ \"embed\"\n\n//go:embed \"text/a.txt\"\nvar text string\n")
	put(t, filepath.Join(dir, "cmd/api/main.go"), fmt.Sprintf(api, "text"))
	f := run(t, dir, Options{}, spec)
	f.reached(0, "api", Ready)
	if got := ask(addr); got != "first" {
		t.Fatalf("answers %q", got)
	}
	f.edit("cmd/api/text/a.txt", "second")
	poll(t, "the embedded file's new content", func() bool { return ask(addr) == "second" })
}

// A panic at start is told with the place where it happened, and mended by an edit.
func TestPanicAtStart(t *testing.T) {
	dir, addr, spec := goRunSpec(t)
	put(t, filepath.Join(dir, "cmd/api/main.go"), `package main

func main() {
	start(nil)
}

func start(m map[string]int) {
	m["a"] = 1
}
`)
	f := run(t, dir, Options{}, spec)
	s := f.reached(0, "api", Failed)
	if len(s.Diagnostics) != 1 {
		t.Fatalf("%+v", s)
	}
	d := s.Diagnostics[0]
	if d.Text != "panic: assignment to entry in nil map" || d.File != "cmd/api/main.go" || d.Line != 8 || d.LineText != "\tm[\"a\"] = 1" {
		t.Errorf("%+v", d)
	}
	if len(d.Notes) != 1 || d.Notes[0].Text != "main.main" || d.Notes[0].Line != 4 {
		t.Errorf("notes %+v", d.Notes)
	}
	if err := f.Wait(t.Context()); err != nil { // requests need not wait for a program that failed
		t.Error(err)
	}
	f.edit("cmd/api/main.go", fmt.Sprintf(api, `"mended"`))
	poll(t, "the mended program", func() bool { return ask(addr) == "mended" })
}

// A program that is killed comes back by itself.
func TestCrash(t *testing.T) {
	addr := freeAddr(t)
	s := self("listen", addr)
	s.Ready = Dial(addr)
	f := run(t, t.TempDir(), Options{}, s)
	f.reached(0, "listen", Ready)
	pid, n := ask(addr), f.now()
	kill(t, pid)
	failed := f.reached(n, "listen", Failed)
	if failed.Serving || failed.Reason != "signal: killed" {
		t.Errorf("%+v", failed)
	}
	f.reached(n, "listen", Ready)
	if now := ask(addr); now == pid || now == "" {
		t.Errorf("answers %q, was %q", now, pid)
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	var n int
	fmt.Sscan(pid, &n)
	p, err := os.FindProcess(n)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatalf("kill %q: %v", pid, err)
	}
}

// A program that dies whenever it is started is started ever less often.
func TestDiesAlways(t *testing.T) {
	s := self("fail", "3", "first", "listen tcp 127.0.0.1:1: bind: address already in use")
	s.Ready = Dial(freeAddr(t)) // or it is ready if it takes its time to die
	f := run(t, t.TempDir(), Options{}, s)
	d := f.reached(0, "fail", Failed).Diagnostics[0]
	if d.Text != "fail: exit status 3" || len(d.Notes) != 2 || !strings.Contains(d.Notes[0].Text, "port") || !strings.HasPrefix(d.Notes[1].Text, "first\n") {
		t.Errorf("%+v", d)
	}
	poll(t, "a third start", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		n := 0
		for _, s := range f.states {
			if s.Phase == Failed {
				n++
			}
		}
		return n == 3
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.states[2:] {
		if s.Phase != Failed {
			t.Errorf("told of %s while it is started again", s.Phase)
		}
	}
}

func TestNeverAnswers(t *testing.T) {
	addr := freeAddr(t)
	s := self("mute")
	s.Ready, s.ReadyTimeout = Dial(addr), 50*time.Millisecond
	f := run(t, t.TempDir(), Options{Grace: 50 * time.Millisecond}, s)
	failed := f.reached(0, "mute", Failed)
	if want := "mute is not ready after 50ms: " + addr + " does not answer: "; !strings.HasPrefix(failed.Reason, want) {
		t.Errorf("reason %q, want %q…", failed.Reason, want)
	}
	if err := f.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	// It is asked on.
	n := f.now()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.reached(n, "mute", Ready)
}

// TestPanics goes on after each function that may panic has.
func TestPanics(t *testing.T) {
	var mu sync.Mutex
	fell := map[string]int{}
	var armed atomic.Bool
	armed.Store(true)
	boom := func() {
		if armed.Load() {
			panic("boom")
		}
	}
	dir, addr := t.TempDir(), freeAddr(t)
	s := self("listen", addr)
	dial := Dial(addr)
	s.Watch = []string{"*.txt"}
	var asked atomic.Int32
	s.Ready = func(ctx context.Context) error {
		if asked.Add(1) == 1 {
			return errors.New("no") // or something else would seem to listen there
		}
		boom()
		return dial(ctx)
	}
	f := run(t, dir, Options{
		OnState: func(State) { boom() },
		Output:  func(string, string) { boom() },
		Drain:   func(context.Context, string) { boom() },
		OnPanic: func(what string, v any) {
			mu.Lock()
			defer mu.Unlock()
			fell[what]++
			if v != "boom" {
				t.Errorf("panic in %s: %v\n%s", what, v, debug.Stack())
			}
		},
	}, s)
	count := func(what string) int {
		mu.Lock()
		defer mu.Unlock()
		return fell[what]
	}
	poll(t, "panics", func() bool { return count("Ready") > 0 && count("OnState") > 0 })
	armed.Store(false)
	f.reached(0, "listen", Ready)
	armed.Store(true)
	n := f.now()
	f.edit("a.txt", "1")
	f.reached(n, "listen", Failed) // in Drain
	if count("listen") == 0 {
		t.Errorf("panics: %v", fell)
	}
	armed.Store(false)
	n = f.now()
	f.edit("a.txt", "2")
	f.reached(n, "listen", Ready)
}

// TestPanicInSearch has the look at files panic each time: commands run all the same.
func TestPanicInSearch(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.txt"), "1")
	s := self("listen", freeAddr(t))
	s.Dir, s.Watch = dir, []string{"*.txt"}
	ready := make(chan bool, 1)
	var panics atomic.Int32
	g, err := New([]Spec{s}, Options{
		OnPanic: func(string, any) { panics.Add(1) },
		OnState: func(s State) {
			if s.Phase == Ready {
				ready <- true
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.snap.files = nil
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	select {
	case <-ready:
	case <-time.After(patience):
		t.Error("never ready")
	}
	g.Changed([]string{filepath.Join(dir, "a.txt")})
	poll(t, "panics", func() bool { return panics.Load() >= 2 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNotThere(t *testing.T) {
	f := run(t, t.TempDir(), Options{}, Spec{Name: "gone", Line: "no-such-program --flag"})
	if d := f.reached(0, "gone", Failed).Diagnostics; len(d) != 1 || !strings.Contains(d[0].Text, "no-such-program") {
		t.Errorf("%+v", d)
	}
}

// Wait blocks through a restart of a program that is not built, and Drain is called while the old one still answers.
func TestRestartPlain(t *testing.T) {
	addr := freeAddr(t)
	s := self("listen", addr)
	s.Ready, s.Watch = Dial(addr), []string{"*.js"}
	var f *fixture
	drained := make(chan string, 10)
	o := Options{Drain: func(ctx context.Context, name string) {
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := f.Wait(short, name); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait while draining: %v", err)
		}
		drained <- ask(addr)
	}}
	f = run(t, t.TempDir(), o, s)
	f.reached(0, "listen", Ready)
	pid, n := ask(addr), f.now()
	f.edit("a.js", "1")
	if got := <-drained; got != pid {
		t.Errorf("while draining %q answers, not %q", got, pid)
	}
	if err := f.Wait(t.Context(), "listen"); err != nil {
		t.Error(err)
	}
	if now := ask(addr); now == "" || now == pid {
		t.Errorf("answers %q, was %q", now, pid)
	}
	for _, p := range []Phase{Starting, Ready} {
		if s := f.reached(n, "listen", p); s.Reason != "a.js changed" || s.Serving != (p == Ready) {
			t.Errorf("%+v", s)
		}
	}

	n = f.now()
	f.edit("a.js", "1") // the same
	f.edit("b.css", "1")
	f.edit("c.js", "1")
	if s := f.reached(n, "listen", Ready); s.Reason != "c.js changed" {
		t.Errorf("%+v", s)
	}
}

// What is built with a line of its own: the old program goes on until that has passed.
func TestBuildLine(t *testing.T) {
	addr := freeAddr(t)
	s := self("listen", addr)
	s.Ready, s.Watch, s.Build = Dial(addr), []string{"in.txt"}, "cp in.txt out.txt"
	dir := t.TempDir()
	put(t, filepath.Join(dir, "in.txt"), "1")
	f := run(t, dir, Options{}, s)
	f.reached(0, "listen", Ready)
	pid, n := ask(addr), f.now()
	if err := os.Remove(filepath.Join(dir, "in.txt")); err != nil {
		t.Fatal(err)
	}
	f.Changed([]string{filepath.Join(dir, "in.txt")})
	failed := f.reached(n, "listen", Failed)
	if !failed.Serving || ask(addr) != pid || len(failed.Diagnostics) != 1 || !strings.HasPrefix(failed.Diagnostics[0].Text, "cp: exit status 1") {
		t.Errorf("%+v, answers %q, was %q", failed, ask(addr), pid)
	}
	n = f.now()
	f.edit("in.txt", "2")
	f.reached(n, "listen", Ready)
	if now := ask(addr); now == "" || now == pid {
		t.Errorf("answers %q, was %q", now, pid)
	}
}

func TestGet(t *testing.T) {
	status := 503
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	if err := Get(srv.URL)(t.Context()); err == nil || !strings.Contains(err.Error(), "answers 503") {
		t.Errorf("503: %v", err)
	}
	status = 404
	if err := Get(srv.URL)(t.Context()); err != nil {
		t.Errorf("404: %v", err)
	}
	srv.Close()
	if err := Get(srv.URL)(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("closed: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, specs := range map[string][]Spec{
		`neither Line nor Args`:          {{}},
		`both Line "a" and Args ["b"]`:   {{Line: "a", Args: []string{"b"}}},
		`without closing quote`:          {{Line: `a "b`}},
		`two commands are called "x"`:    {{Name: "x", Line: "a"}, {Name: "x", Line: "b"}},
		`watch glob "[": not a valid`:    {{Line: "a", Watch: []string{"["}}},
		`ignore glob "{": not a valid`:   {{Line: "a", Ignore: []string{"{"}}},
		`x: no folder "/nowhere/at/all"`: {{Name: "x", Line: "a", Dir: "/nowhere/at/all"}},
		`x: negative ReadyTimeout -1ns`:  {{Name: "x", Line: "a", ReadyTimeout: -1}},
	} {
		if _, err := New(specs, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want …%s…", err, want)
		}
	}
	if _, err := New(nil, Options{Grace: -1}); err == nil {
		t.Error("negative Grace is taken")
	}
}

func TestRunTwice(t *testing.T) {
	g, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Error(err)
	}
	if err := g.Run(ctx); err == nil {
		t.Error("Run runs twice")
	}
	if err := g.Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Wait after Run: %v", err)
	}
}
