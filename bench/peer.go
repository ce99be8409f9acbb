package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A peer is a development server that is measured.
type peer struct {
	name    string
	command func(t tools, dir string, port int) (argv, env []string)
	version func(t tools) string
	// caches are what a later start of it finds again, relative to the app. Cold means that they are gone.
	caches []string
	reload bool // it has no hot updates of scripts and no error display
	traces bool // it tells where the milliseconds of an edit went, if started with --trace
}

// tools are where the programs are.
type tools struct {
	bench    string // the folder with node_modules
	devserve string // the binary
	work     string // a folder for what is measured
}

func (t tools) bin(name string) string { return filepath.Join(t.bench, "node_modules", ".bin", name) }

// installed is the version of an npm package that the lock file pins.
func (t tools) installed(name string) string {
	data, err := os.ReadFile(filepath.Join(t.bench, "node_modules", name, "package.json"))
	if err != nil {
		return "not installed"
	}
	_, after, _ := strings.Cut(string(data), `"version":`)
	version, _, _ := strings.Cut(strings.Trim(after, ` "`), `"`)
	return version
}

func npm(name string) func(tools) string {
	return func(t tools) string { return t.installed(name) }
}

var peers = []peer{
	{
		name: "devserve",
		command: func(t tools, dir string, port int) ([]string, []string) {
			return []string{t.devserve, "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--strict-port", "--cache", filepath.Join(dir, "..", "cache"), dir}, nil
		},
		version: func(t tools) string {
			out, err := exec.Command(t.devserve, "--version").Output()
			if err != nil {
				return err.Error()
			}
			return strings.TrimPrefix(strings.TrimSpace(string(out)), "devserve ")
		},
		caches: []string{"../cache"},
		traces: true,
	},
	{
		name: "Bun",
		command: func(t tools, dir string, port int) ([]string, []string) {
			return []string{t.bin("bun"), "./index.html", "--host=127.0.0.1", "--port=" + strconv.Itoa(port)}, nil
		},
		version: npm("bun"),
	},
	{name: "Vite", command: vite(), version: npm("vite"), caches: []string{"node_modules/.vite"}},
	{name: "Vite bundled", command: vite("BENCH_BUNDLED=1"), version: npm("vite"), caches: []string{"node_modules/.vite"}},
	{
		name: "Rsbuild",
		command: func(t tools, dir string, port int) ([]string, []string) {
			return []string{t.bin("rsbuild"), "dev", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--config", filepath.Join(t.bench, "rsbuild.config.mjs"), "--root", dir}, nil
		},
		version: npm("@rsbuild/core"),
		caches:  []string{"node_modules/.cache", "dist"},
	},
	{
		name: "esbuild",
		command: func(t tools, dir string, port int) ([]string, []string) {
			return append([]string{t.bin("esbuild")}, append(bundling, "--outdir=www", "--servedir=www", "--watch=forever",
				"--sourcemap", "--serve=127.0.0.1:"+strconv.Itoa(port))...), nil
		},
		version: npm("esbuild"),
		reload:  true,
	},
}

// floor is the name of what no peer can go below.
const floor = "floor"

// bundling are esbuild's arguments for the app.
var bundling = []string{"src/main.tsx", "--bundle", "--format=esm", "--jsx=automatic", "--jsx-dev", `--define:process.env.NODE_ENV="development"`}

func vite(env ...string) func(t tools, dir string, port int) ([]string, []string) {
	return func(t tools, dir string, port int) ([]string, []string) {
		return []string{t.bin("vite"), "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--strictPort", "--config", filepath.Join(t.bench, "vite.config.mjs"), "--configLoader", "native"}, env
	}
}

// A server is a peer that runs.
type server struct {
	url             string
	begun, answered time.Time
	cmd             *exec.Cmd
	out             *bytes.Buffer // what it printed; read it after stop only
	ended           chan struct{}
}

// with is the peer with one more argument.
func (p peer) with(arg string) peer {
	command := p.command
	p.command = func(t tools, dir string, port int) ([]string, []string) {
		argv, env := command(t, dir, port)
		return append(argv, arg), env
	}
	return p
}

// start runs the peer for an app and returns once it answers with the page.
func (p peer) start(ctx context.Context, t tools, a *app) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return p.startAt(ctx, t, a, port)
}

func (p peer) startAt(ctx context.Context, t tools, a *app, port int) (*server, error) {
	argv, env := p.command(t, a.dir, port)
	s := &server{url: fmt.Sprintf("http://127.0.0.1:%d/", port), out: &bytes.Buffer{}, ended: make(chan struct{})}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Dir = a.dir
	s.cmd.Env = append(append(os.Environ(), "NO_COLOR=1", "NODE_ENV=development", "BROWSER=none"), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	ownGroup(s.cmd)
	s.begun = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.ended)
		s.cmd.Wait()
	}()
	if err := s.answers(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("bench: %s does not listen: %w\n%s", p.name, err, s.out)
	}
	s.answered = time.Now()
	return s, nil
}

// page asks for the page as a browser does. Rsbuild has none before its first build, and Vite one that says so.
func (s *server) page(ctx context.Context) error {
	q, err := http.NewRequestWithContext(ctx, "GET", s.url, nil)
	if err != nil {
		return err
	}
	q.Header.Set("Accept", "text/html")
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || bytes.Contains(bytes.ToLower(body), []byte("bundling in progress"))) {
		err = fmt.Errorf("it answers %s: %.200s", response.Status, body)
	}
	return err
}

// answers waits for the page.
func (s *server) answers(ctx context.Context) error {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		err := s.page(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return err
		}
	}
}

// stop asks the server to end, and a while later makes it.
func (s *server) stop() {
	endGroup(s.cmd, os.Interrupt)
	select {
	case <-s.ended:
	case <-time.After(3 * time.Second):
	}
	endGroup(s.cmd, os.Kill) // what it started, too
	<-s.ended
}

// clear removes the caches of the peer.
func (p peer) clear(a *app) error {
	for _, c := range p.caches {
		if err := os.RemoveAll(filepath.Join(a.dir, filepath.FromSlash(c))); err != nil {
			return err
		}
	}
	return nil
}

// serveBundle is the floor of a start: the app, bundled by esbuild beforehand without source maps, behind a static server.
func serveBundle(ctx context.Context, t tools, a *app) (url string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, t.bin("esbuild"), append(bundling, "--outdir=floor", "--log-level=error")...)
	cmd.Dir = a.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("bench: bundle the floor: %w\n%s", err, out)
	}
	page := document(`<link rel="stylesheet" href="/main.css">`, `<script type="module" src="/main.js"></script>`)
	dir := filepath.Join(a.dir, "floor")
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(page), 0o666); err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	return "http://" + l.Addr().String() + "/", func() {
		srv.Close()
		<-done
		os.RemoveAll(dir)
	}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// build compiles devserve as it is released.
func build(ctx context.Context, to string) (path string, err error) {
	path = filepath.Join(to, "devserve")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/devserve/devserve")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+runtime.GOOS)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("bench: build devserve: %w\n%s", err, out)
	}
	return path, nil
}
