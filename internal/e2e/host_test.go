package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	program "github.com/devserve/devserve/command"
	"github.com/devserve/devserve/server"
	"github.com/evanw/esbuild/pkg/api"
)

// uses says how a scenario's server differs from the plain one.
type uses struct {
	base   string
	ignore []string
	app    bool        // a program of its own answers too, see app
	binary bool        // the server is the command, in a process of its own
	gate   bool        // builds can be held up
	trace  bool        // pages tell when they had painted
	header http.Header // added to every answer

	backend bool     // what is no file of the site is another server's
	cmd     []string // commands that run in ../program

	without []string // what browsers lack
	buffer  []string // methods whose event streams arrive when they end
}

// A host is where a scenario's site is served. The address stays, servers come and go.
type host struct {
	uses     uses
	dir      string
	addr     string
	log      *buffer
	events   *events
	messages *messages
	front    *front
	backend  *backend // nil unless it is used

	site *server.Server     // in this process,
	cmd  *exec.Cmd          // or in one of its own
	stop func(kill bool)    // nil while there is no server
	quit context.CancelFunc // ends what reads the events
	over chan struct{}      // closed when that has ended
}

// startServer starts the scenario's server, the first or the next, and waits until it has told its state.
func (s *scenario) startServer() error {
	h := s.srv
	if h == nil {
		h = &host{uses: s.uses, dir: s.dir, log: &buffer{}, events: newEvents(), messages: newMessages(), front: newFront(s)}
		s.srv = h
		s.t.Cleanup(func() { h.end(false) })
	}
	if h.stop != nil {
		return errors.New("the server runs")
	}
	l, err := h.listen()
	if err != nil {
		return err
	}
	if h.uses.binary {
		l.Close()
		err = h.startBinary()
	} else {
		err = h.startHere(l)
	}
	if err != nil {
		return err
	}
	ctx, quit := context.WithCancel(context.Background())
	h.quit, h.over = quit, make(chan struct{})
	open := make(chan error, 1)
	go func() {
		defer close(h.over)
		h.events.read(ctx, "http://"+h.addr+h.base()+"_devserve/events", open)
	}()
	if err := <-open; err != nil {
		h.end(true)
		return fmt.Errorf("server does not answer: %w", err)
	}
	return nil
}

// end stops the server as a signal does, or kills it with all its connections.
func (h *host) end(kill bool) {
	if h.stop == nil {
		return
	}
	h.front.release()
	h.stop(kill)
	h.quit()
	<-h.over
	h.stop, h.site, h.cmd = nil, nil, nil
}

func (h *host) base() string {
	if h.uses.base == "" {
		return "/"
	}
	return h.uses.base
}

func (h *host) url(path string) string { return "http://" + h.addr + path }

// ports are handed out from below those that systems give to connections, so that nobody takes
// the port of a server that is down.
var ports atomic.Int32

func init() { ports.Store(20000 + rand.Int32N(8000)) }

func (h *host) listen() (net.Listener, error) {
	if h.addr != "" {
		return net.Listen("tcp", h.addr)
	}
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.Add(1)))
		if err == nil {
			h.addr = l.Addr().String()
			return l, nil
		}
	}
	return nil, errors.New("no port is free")
}

// startHere starts a server in this process, where the race detector sees it.
func (h *host) startHere(l net.Listener) (err error) {
	o := server.Options{
		Dir: h.dir, Base: h.uses.base, Ignore: h.uses.ignore,
		Log:       slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnMessage: h.messages.add,
	}
	if h.uses.app {
		o.Watch = []string{filepath.Join(filepath.Dir(h.dir), "app")}
	}
	if h.uses.backend {
		if h.backend == nil {
			if h.backend, err = newBackend(); err != nil {
				return err
			}
		}
		o.Backend = "http://" + h.backend.addr
	}
	for _, line := range h.uses.cmd {
		o.Commands = append(o.Commands, program.Spec{Line: line, Dir: filepath.Join(filepath.Dir(h.dir), "program")})
	}
	if h.uses.trace {
		o.OnTrace = func(server.Trace) {}
	}
	if h.uses.gate {
		o.Plugins = []api.Plugin{h.front.plugin()}
	}
	site, err := server.New(o)
	if err != nil {
		l.Close()
		return err
	}
	var handler http.Handler = site
	if h.uses.app {
		handler = site.Middleware(app(filepath.Join(filepath.Dir(h.dir), "app")))
	}
	web := &http.Server{Handler: h.front.wrap(handler)}
	web.RegisterOnShutdown(func() { site.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	ran := make(chan error, 1)
	wg.Go(func() { ran <- site.Run(ctx) })
	select {
	case <-site.Ready():
	case err := <-ran:
		cancel()
		l.Close()
		return fmt.Errorf("Run returned early: %w", err)
	}
	wg.Go(func() { web.Serve(l) })
	h.site = site
	h.stop = func(kill bool) {
		if !kill {
			soon, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond) // browsers keep connections
			web.Shutdown(soon)
			cancel()
		}
		web.Close()
		cancel()
		site.Close()
		wg.Wait()
	}
	return nil
}

// command builds the command and returns where it is.
func command(b *browser) (string, error) {
	dir, err := os.MkdirTemp("", "devserve-e2e")
	if err != nil {
		return "", err
	}
	b.atEnd(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "devserve")
	if out, err := exec.Command("go", "build", "-o", path, "../..").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// startBinary starts the command and waits until it says that it serves: before, who answers at the address may be another's
// server, which came to the port first.
func (h *host) startBinary() error {
	path, err := h.front.scenario.browser.command()
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(h.addr)
	if err != nil {
		return err
	}
	args := []string{"--port", port, "--strict-port", h.dir}
	if h.uses.base != "" {
		args = append(args, "--base", h.uses.base)
	}
	for _, glob := range h.uses.ignore {
		args = append(args, "--ignore", glob)
	}
	h.cmd = exec.Command(path, args...)
	h.cmd.Stdout, h.cmd.Stderr = h.log, h.log
	before := len(h.log.String())
	if err := h.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.cmd.Wait()
	}()
	stop := func(kill bool) {
		if kill {
			h.cmd.Process.Kill()
		} else {
			h.cmd.Process.Signal(syscall.SIGTERM)
		}
		<-ended
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	late := time.After(limit)
	for !strings.Contains(h.log.String()[before:], ", ready in ") {
		select {
		case <-look.C:
		case <-ended:
			return fmt.Errorf("server ended at its start: %s", h.log.String()[before:])
		case <-late:
			stop(true)
			return fmt.Errorf("server is not ready: %s", h.log.String()[before:])
		}
	}
	h.stop = stop
	return nil
}

// A front stands before a server in this process. It counts requests and holds some up, and has one page that
// does harm: /e2e/append, which writes to the site.
type front struct {
	scenario *scenario

	mu    sync.Mutex
	count map[string]int
	held  map[string]chan struct{} // by path; "" holds builds
	waits map[string]int           // by path: how many do
	lost  bool                     // the next built event that a page should get is taken out
}

func newFront(s *scenario) *front {
	return &front{scenario: s, count: map[string]int{}, held: map[string]chan struct{}{}, waits: map[string]int{}}
}

// hold makes requests for path wait, or builds if it is "".
func (f *front) hold(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held[path] == nil {
		f.held[path] = make(chan struct{})
	}
}

// release lets go on what waits for any of the paths, or for anything if there are none.
func (f *front) release(paths ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, c := range f.held {
		if len(paths) == 0 || slices.Contains(paths, path) {
			delete(f.held, path)
			close(c)
		}
	}
}

// lose makes the next good build's event go lost on its way to the pages.
func (f *front) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = true
}

func (f *front) loses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := f.lost
	f.lost = false
	return lost
}

func (f *front) wait(ctx context.Context, path string) {
	f.mu.Lock()
	held := f.held[path]
	if held != nil {
		f.waits[path]++
	}
	f.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
		}
		f.mu.Lock()
		f.waits[path]--
		f.mu.Unlock()
	}
}

// waiting reports an error unless something waits for path sooner or later.
func (f *front) waiting(path string) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		n := f.waits[path]
		f.mu.Unlock()
		if n > 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nothing waits for %q", path)
		}
	}
}

// requests returns how often path was asked for since the last call of forget.
func (f *front) requests(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[path]
}

func (f *front) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.count)
}

func (f *front) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.count[r.URL.Path]++
		f.mu.Unlock()
		if r.URL.Path == "/e2e/append" {
			q := r.URL.Query()
			if err := f.scenario.append(q.Get("file"), []byte(q.Get("text"))); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		f.wait(r.Context(), r.URL.Path)
		for name, values := range f.scenario.uses.header {
			w.Header()[name] = values
		}
		if r.Header.Get("Sec-Fetch-Mode") != "" && r.URL.Path == f.scenario.srv.base()+"_devserve/events" {
			w = &loss{ResponseWriter: w, front: f}
			if slices.Contains(f.scenario.uses.buffer, r.Method) {
				collected := &collector{ResponseWriter: w}
				defer collected.end()
				w = collected
			}
		}
		next.ServeHTTP(w, r)
	})
}

// A collector is a proxy that waits for the whole answer.
type collector struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (c *collector) Write(b []byte) (int, error) { return c.body.Write(b) }
func (c *collector) FlushError() error           { return nil }
func (c *collector) end()                        { c.ResponseWriter.Write(c.body.Bytes()) }

// plugin holds builds up.
func (f *front) plugin() api.Plugin {
	return api.Plugin{Name: "gate", Setup: func(b api.PluginBuild) {
		b.OnStart(func() (api.OnStartResult, error) {
			f.wait(context.Background(), "")
			return api.OnStartResult{}, nil
		})
	}}
}

// app is a program with pages of its own, as users have them: templates from a folder, one for each path. A template
// may define "status", the answer's, or "redirect", where it leads; /nonce has a policy that wants {{.Nonce}}.
func app(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.Trim(r.URL.Path, "/")
		if name == "" {
			name = "index"
		}
		t, err := template.ParseFiles(filepath.Join(dir, filepath.FromSlash(name)+".tmpl"))
		switch {
		case errors.Is(err, os.ErrNotExist):
			http.NotFound(w, r)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		text := func(name string) string {
			var b strings.Builder
			if t.Lookup(name) != nil {
				t.ExecuteTemplate(&b, name, nil)
			}
			return b.String()
		}
		if to := text("redirect"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		nonce := strconv.FormatUint(rand.Uint64(), 36)
		if name == "nonce" {
			w.Header().Set("Content-Security-Policy", "script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+"'")
		}
		if code, err := strconv.Atoi(text("status")); err == nil {
			w.WriteHeader(code)
		}
		t.Execute(w, map[string]any{"Path": r.URL.Path, "Name": "<Ada>", "Nonce": nonce})
	})
}

// events is what the server's stream said, of all servers of a scenario.
type events struct {
	mu   sync.Mutex
	all  []event
	news chan struct{} // closed and replaced when one comes
	lost error         // why no more will come
	from int           // where count begins
}

type event struct{ id, name, data string }

func newEvents() *events { return &events{news: make(chan struct{})} }

// read takes events in until ctx or the stream ends. It tells open of the first, or why there is none: a server in
// a process of its own takes its time to listen.
func (e *events) read(ctx context.Context, url string, open chan<- error) {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	late := time.After(limit)
	e.lose(nil)
	var r *http.Response
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err == nil {
			r, err = client.Do(req)
		}
		if err == nil && r.StatusCode != http.StatusOK {
			r.Body.Close()
			err = errors.New(r.Status)
		}
		if err == nil {
			break
		}
		select {
		case <-retry.C:
		case <-late:
			open <- err
			return
		}
	}
	defer r.Body.Close()
	var now event
	lines := bufio.NewReader(r.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			e.lose(fmt.Errorf("stream of events: %w", err))
			return
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			now.id = value
		case "event":
			now.name = value
		case "data":
			now.data = value
		case "":
			if now.name == "" {
				continue // retry, heartbeat
			}
			e.add(now)
			now = event{}
			select {
			case open <- nil:
			default:
			}
		}
	}
}

func (e *events) add(v event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, v)
	e.tell()
}

// lose says why no more events will come, or that they will.
func (e *events) lose(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost = err
	e.tell()
}

func (e *events) tell() {
	close(e.news)
	e.news = make(chan struct{})
}

// told waits for a build that a change of file caused, and returns the ID of the event that ended it.
func (e *events) told(file string) (id string, err error) {
	timeout := time.After(limit)
	for {
		id, news, err := e.find(file)
		if id != "" || err != nil {
			return id, err
		}
		select {
		case <-news:
		case <-timeout:
			return "", fmt.Errorf("server does not tell of %s", file)
		}
	}
}

func (e *events) find(file string) (id string, news <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	began := false
	for _, v := range e.all {
		switch {
		case v.name == "building":
			var data struct{ Files []string }
			began = json.Unmarshal([]byte(v.data), &data) == nil && slices.Contains(data.Files, file)
		case began:
			return v.id, nil, nil
		}
	}
	return "", e.news, e.lost
}

// builds returns how many builds ended since the last call of forget, without those of settle.
func (e *events) builds() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	own := false
	for _, v := range e.all[e.from:] {
		if v.name == "building" {
			n++
			own = strings.Contains(v.data, `"files":["settle-`)
			if own {
				n--
			}
		}
	}
	return n
}

// newest is the ID of the last event.
func (e *events) newest() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.all[len(e.all)-1].id
}

func (e *events) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.from = len(e.all)
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out strings.Builder
	for _, v := range e.all {
		fmt.Fprintf(&out, "%s %s %s\n", v.id, v.name, v.data)
	}
	return out.String()
}

// A buffer is written and read by several.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
