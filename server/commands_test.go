package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/devserve/devserve/command"
)

// asProgram makes the test binary one of the commands that tests run: it is set in their environment.
const asProgram = "DEVSERVE_TEST_PROGRAM"

// program is the backend and the generator of the tests here. Both read the file "version" first, which says what
// they answer or write, or that they fail.
func program(what string) int {
	data, err := os.ReadFile("version")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	version := strings.TrimSpace(string(data))
	if version == "broken" {
		fmt.Fprintln(os.Stderr, "it is broken")
		return 3
	}
	if what == "generator" {
		if err := os.WriteFile("generated.txt", []byte("made of "+version), 0o666); err != nil {
			return 1
		}
		return 0
	}
	switch version {
	case "deaf":
		select {}
	case "late":
		<-time.After(700 * time.Millisecond) // it counts as ready before
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>%s</title>%d %s %s", version, os.Getpid(), r.URL.Path, body)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-time.After(300 * time.Millisecond) // the restart begins meanwhile
		io.WriteString(w, version)
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	err = http.ListenAndServe("localhost:"+os.Getenv("PORT"), mux)
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// backend is a command that runs the program above in dir, and again when the file version changes.
func backend(dir string) command.Spec {
	return command.Spec{Name: "api", Args: []string{os.Args[0]}, Env: []string{asProgram + "=backend"}, Dir: dir, Watch: []string{"version"}}
}

// withCommands runs a devserve with commands in a folder of their own.
func withCommands(t *testing.T, version string, o Options) (s *Server, url string, change func(version string)) {
	t.Helper()
	dir := writeSite(t, map[string]string{"version": version})
	if len(o.Commands) == 0 {
		o.Commands = []command.Spec{backend("")}
	}
	for i := range o.Commands {
		o.Commands[i].Dir = dir
	}
	s, url = front(t, o)
	run(t, s)
	return s, url, func(version string) { write(t, filepath.Join(dir, "version"), version) }
}

// ask gets a page and returns its status and text.
func ask(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until asks until the answer has text in it.
func until(t testing.TB, url, text string) {
	t.Helper()
	var status int
	var body string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if status, body = ask(t, url); strings.Contains(body, text) {
			return
		}
		runtime.Gosched()
	}
	t.Fatalf("no %q, at last %d %s", text, status, body)
}

func TestCommandServes(t *testing.T) {
	s, url, change := withCommands(t, "one", Options{Dir: writeSite(t, map[string]string{"a.txt": "file"})})
	// What is asked for before the program answers is held.
	resp, err := http.Post(url+"/x", "text/plain", strings.NewReader("sent"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !strings.Contains(string(body), "<title>one</title>") || !strings.HasSuffix(string(body), " /x sent") {
		t.Fatalf("%s %s", resp.Status, body)
	}
	if _, body := ask(t, url+"/a.txt"); body != "file" {
		t.Errorf("a file: %s", body)
	}
	if _, body := get(t, s, "/", navigation...); !strings.Contains(body, "_devserve/client.js") {
		t.Errorf("no client in %s", body)
	}

	if _, body := ask(t, url+"/_devserve/status"); !strings.Contains(body, `"mode": "events"`) || !strings.Contains(body, `"phase": "ready"`) || !strings.Contains(body, `"serving": true`) {
		t.Errorf("status: %s", body)
	}

	// Pages are told once the new one answers.
	next := stream(t, s)
	change("two")
	next(has("built", `"reload":{"reason":"api was started again: version changed"}`))
	if status, body := ask(t, url+"/"); status != 200 || !strings.Contains(body, "<title>two</title>") {
		t.Errorf("told before it answers: %d %s", status, body)
	}
	if id := s.hub.ID(); !strings.HasSuffix(id, "-1") {
		t.Errorf("told of the first start too: event %s", id)
	}
}

// The pages have routes of their own, and only the API is the program's.
func TestCommandIsAnAPI(t *testing.T) {
	s, url, _ := withCommands(t, "one", Options{
		Dir:   writeSite(t, map[string]string{"index.html": "<!doctype html><title>app</title>"}),
		Proxy: map[string]string{"/api": "http://localhost:$PORT"},
	})
	if status, body := ask(t, url+"/api/x"); status != 200 || !strings.Contains(body, "<title>one<") {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get(t, s, "/some/route", navigation...); !strings.Contains(body, "<title>app<") {
		t.Errorf("a route: %s", body)
	}
}

// Where it is not known at which port a program listens, it is ready once it lives, and may listen later.
func TestCommandListensLate(t *testing.T) {
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	spec := backend("")
	spec.Env = append(spec.Env, "PORT="+port)
	_, url, _ := withCommands(t, "late", Options{
		Commands: []command.Spec{spec}, Proxy: map[string]string{"/api": "http://" + address, "/other": "http://" + freeAddress(t)},
	})
	resp, err := http.Post(url+"/api", "text/plain", strings.NewReader("sent"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil || !strings.HasSuffix(string(body), "/api sent") {
		t.Errorf("%s %s, %v", resp.Status, body, err)
	}
}

// A restart is a pause, not an error, for whoever asks meanwhile.
func TestCommandRestartsUnderLoad(t *testing.T) {
	restarts := 8
	if n, err := strconv.Atoi(os.Getenv("DEVSERVE_RESTARTS")); err == nil {
		restarts = n // 200 in a long run
	}
	_, url, change := withCommands(t, "0", Options{})
	until(t, url+"/", "<title>0<")
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i := range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				method, body := "GET", ""
				if i == 0 {
					method, body = "POST", strings.Repeat("x", 10_000)
				}
				r, _ := http.NewRequest(method, url+"/p", strings.NewReader(body))
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || !strings.HasSuffix(string(text), body) {
					t.Errorf("%s %.200s %v", resp.Status, text, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	pids := map[string]bool{}
	for i := range restarts {
		change(strconv.Itoa(i + 1))
		until(t, url+"/", fmt.Sprintf("<title>%d<", i+1))
		_, body := ask(t, url+"/")
		pid, _, _ := strings.Cut(body[strings.LastIndexByte(body, '>')+1:], " ")
		pids[pid] = true
	}
	cancel()
	wg.Wait()
	t.Logf("%d requests, %d programs", asked.Load(), len(pids))
}

func TestCommandLetsAnswersEnd(t *testing.T) {
	s, url, change := withCommands(t, "one", Options{})
	until(t, url+"/", "one")
	// A stream that goes on for ever does not count.
	stream, err := http.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	h := s.commands.hold
	h.mu.Lock()
	if h.under != 0 {
		t.Errorf("%d requests are under way, want none but the stream", h.under)
	}
	h.mu.Unlock()

	resp, err := http.Get(url + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	change("two")
	until(t, url+"/", "two")
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "one" {
		t.Errorf("the answer under way: %q, %v", body, err)
	}
	if rest, _ := io.ReadAll(stream.Body); len(rest) > 0 { // it has ended with its program
		t.Errorf("the stream: %q", rest)
	}
}

func TestCommandFails(t *testing.T) {
	states := make(chan command.State, 100)
	lines := make(chan string, 100)
	s, url, change := withCommands(t, "broken", Options{
		OnCommand: func(s command.State, _ []Diagnostic) { states <- s },
		OnOutput:  func(name, line string) { lines <- name + ": " + line },
	})
	if got := <-lines; got != "api: it is broken" {
		t.Errorf("it says %q", got)
	}
	for st := range states {
		if st.Phase == command.Failed {
			break
		}
	}
	next := stream(t, s)
	next(has("error", `"source":"api"`))
	resp, body := get(t, s, "/page", navigation...)
	if resp.StatusCode != 502 || !strings.Contains(body, "<pre>api</pre>") || !strings.Contains(body, "It has failed (exit status 3)") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := get(t, s, "/api", fetch...); resp.StatusCode != 502 || !strings.HasPrefix(body, `{"error":"http://localhost:`) {
		t.Errorf("%s %s", resp.Status, body)
	}
	change("mended")
	next(has("built", `"source":"api"`))
	next(has("built", `"reload":{"reason":"api was started again: version changed"}`))
	until(t, url+"/", "mended")
}

// A program that never listens is waited for, and a page says so.
func TestCommandIsDeaf(t *testing.T) {
	s, _, change := withCommands(t, "deaf", Options{})
	s.commands.hold.timeout = 50 * time.Millisecond
	resp, body := get(t, s, "/page", navigation...)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, "api has not been ready for 50ms") || !strings.Contains(body, "It is being started") {
		t.Errorf("%s %s", resp.Status, body)
	}
	s.commands.hold.slots = make(chan struct{})
	if resp, body := get(t, s, "/api", fetch...); resp.StatusCode != 503 || !strings.Contains(body, "are waiting for api already") {
		t.Errorf("%s %s", resp.Status, body)
	}
	s.commands.hold.slots = make(chan struct{}, 1)
	s.commands.hold.timeout = time.Minute
	answered := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "localhost"
		s.ServeHTTP(w, r)
		answered <- w.Code
	}()
	change("hears")
	if code := <-answered; code != 200 {
		t.Errorf("held, then %d", code)
	}
}

func TestCommandGenerates(t *testing.T) {
	site := t.TempDir()
	write(t, filepath.Join(site, "version"), "one")
	s, url := front(t, Options{Dir: site, Commands: []command.Spec{{
		Name: "gen", Args: []string{os.Args[0]}, Env: []string{asProgram + "=generator"}, Dir: site, Watch: []string{"version"}, Generator: true,
	}}})
	if s.backend != nil {
		t.Error("a generator is no backend")
	}
	run(t, s)
	// The first page waits for what is generated.
	if status, body := ask(t, url+"/generated.txt"); status != 200 || body != "made of one" {
		t.Fatalf("%d %s", status, body)
	}
	next := stream(t, s)
	write(t, filepath.Join(site, "version"), "two")
	next(has("built", `"path":"/generated.txt"`))
	until(t, url+"/generated.txt", "made of two")
}

// A program's sources may lie in the site. They are told of once.
func TestCommandSourcesInTheSite(t *testing.T) {
	site := writeSite(t, map[string]string{"version": "one", "logo.svg": "<svg/>"})
	builds := make(chan Build, 100)
	s, url := front(t, Options{Dir: site, Commands: []command.Spec{backend(site)}, OnBuild: func(b Build) { builds <- b }})
	run(t, s)
	until(t, url+"/", "one")
	next := stream(t, s)
	write(t, filepath.Join(site, "version"), "two")
	next(has("built", `"path":"/version"`))
	write(t, filepath.Join(site, "logo.svg"), "<svg></svg>")
	next(has("built", `"path":"/logo.svg"`))
	if b := <-builds; len(b.Files) != 1 || b.Files[0] != "logo.svg" {
		t.Errorf("told of %q", b.Files)
	}
}

// What comes after a generator that fails is not run, and nobody waits for it.
func TestCommandGeneratorFails(t *testing.T) {
	generator := command.Spec{Args: []string{os.Args[0]}, Env: []string{asProgram + "=generator"}, Watch: []string{"version"}, Generator: true}
	first, second := generator, generator
	first.Name, second.Name = "first", "second"
	second.Args = append(second.Args, "2")
	s, url, change := withCommands(t, "broken", Options{
		Dir: writeSite(t, map[string]string{"a.txt": "file"}), Commands: []command.Spec{first, second, backend("")},
	})
	began := time.Now()
	if status, body := ask(t, url+"/a.txt"); status != 200 || body != "file" {
		t.Errorf("a file: %d %s", status, body)
	}
	if resp, body := get(t, s, "/page", navigation...); resp.StatusCode != 502 || !strings.Contains(body, "once a generator has run well") {
		t.Errorf("a page: %s %s", resp.Status, body)
	}
	if took := time.Since(began); took > holdTimeout/2 {
		t.Errorf("that took %v", took)
	}
	change("mended")
	until(t, url+"/", "<title>mended<")
}

func TestCommandsEnd(t *testing.T) {
	s, url, _ := withCommands(t, "one", Options{})
	until(t, url+"/", "one")
	_, body := ask(t, url+"/")
	pid, _, _ := strings.Cut(body[strings.LastIndexByte(body, '>')+1:], " ")
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("Close took %v", took)
	}
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s lives on", pid)
		}
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.o.Backend, "http://")); err == nil {
		conn.Close()
		t.Error("its port is still taken")
	}
}

func TestCommandOptions(t *testing.T) {
	two := []command.Spec{{Line: "serve $PORT"}, {Line: "serve too"}, {Line: "make it", Generator: true}}
	for _, tt := range []struct {
		name    string
		o       Options
		backend string // "auto": a port of its own
		held    bool
	}{
		{"the last program", Options{Commands: two}, "auto", true},
		{"a named backend", Options{Commands: two, Backend: "http://127.0.0.1:9"}, "http://127.0.0.1:9", true},
		{"an elsewhere backend", Options{Commands: two, Backend: "http://example.com"}, "http://example.com", false},
		{"no backend", Options{Commands: two, Backend: "off"}, "", false},
		{"a proxy rule", Options{Commands: two, Proxy: map[string]string{"/api": "http://localhost:9"}}, "", false},
		{"a port in a proxy rule", Options{Commands: two, Proxy: map[string]string{"/api": "http://localhost:$PORT", "/b": "http://localhost:9"}}, "", false},
		{"a port in the line", Options{Commands: []command.Spec{{Line: "A=b PORT=81 serve"}}}, "http://localhost:81", true},
		{"a port in the environment", Options{Commands: []command.Spec{{Line: "serve", Env: []string{"PORT=80", "PORT=82", "A=b"}}}}, "http://localhost:82", true},
		{"a tool that watches", Options{Commands: []command.Spec{{Line: "npx @tailwindcss/cli -i a.css -o b.css --watch"}}}, "", false},
		{"a tool that watches, last", Options{Commands: append(slices.Clone(two[:1]), command.Spec{Line: "npx sass --watch a.scss b.css"})}, "auto", true},
		{"off without commands", Options{Backend: "off"}, "", false},
	} {
		tt.o.Dir = t.TempDir()
		s := newServer(t, tt.o)
		got := ""
		if s.backend != nil {
			got = s.backend.address
			if tt.backend == "auto" && strings.HasPrefix(got, "http://localhost:") {
				got = "auto"
			}
			if (s.backend.hold != nil) != tt.held {
				t.Errorf("%s: held: %v", tt.name, !tt.held)
			}
		}
		if got != tt.backend {
			t.Errorf("%s: backend %q, want %q", tt.name, got, tt.backend)
		}
		for _, r := range s.routes {
			if r.to.hold == nil {
				t.Errorf("%s: requests for %s are not held", tt.name, r.path)
			}
			if strings.Contains(r.to.address, "$") {
				t.Errorf("%s: %s is at %s", tt.name, r.path, r.to.address)
			}
		}
	}
	if two[1].Env != nil || two[1].Ready != nil {
		t.Error("the caller's specs were written to")
	}
	for _, specs := range [][]command.Spec{{{Line: `"`}}, {{Line: "a"}, {Line: "a"}}, {{Line: "a", Dir: "/no/such/folder"}}} {
		if _, err := New(Options{Dir: t.TempDir(), Commands: specs}); err == nil || !strings.HasPrefix(err.Error(), "server: command: ") {
			t.Errorf("%+v: %v", specs, err)
		}
	}
}

// The time for which requests are held has an end, however long it is.
func TestHoldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := command.New([]command.Spec{{Line: "serve"}}, command.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := newHold([]string{"serve"})
		h.group = g
		began := time.Now()
		_, err = h.enter(t.Context())
		if _, held := err.(heldError); !held || time.Since(began) != holdTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.enter(ctx); err != context.Canceled {
			t.Errorf("without a reader: %v", err)
		}
		if h.under != 0 || len(h.slots) != 0 {
			t.Errorf("%d under way, %d held", h.under, len(h.slots))
		}

		// Nor are answers under way waited for without an end.
		h.begin()
		began = time.Now()
		h.drain(t.Context())
		if took := time.Since(began); took != drainTimeout {
			t.Errorf("drained for %v", took)
		}
		h.end()
		h.drain(t.Context())
	})
}
