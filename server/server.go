// Package server is a site under development as one [http.Handler]: it serves the
// site's files, compiles its scripts and style sheets when a page asks for them, and tells the
// pages what a save has changed.
//
//	files ──▶ watcher ──▶ builder ──▶ reload ──▶ page      Run: a save on its way to the screen
//	           Batch       Result      event
//
//	page ──▶ Guard ──▶ base ──▶ _devserve/build/…  ──▶ builder      ServeHTTP: a request
//	                       ├──▶ _devserve/…        ──▶ reload
//	                       └──▶ Inject ──▶ module, style sheet ──▶ builder
//	                                  ├──▶ any other file      ──▶ the file
//	                                  └──▶ no such file        ──▶ next, or index page, listing, 404
//
// It promises:
//
//   - Nothing outside the site's folder is served by its path, and nothing inside that
//     is not meant for a page: no dotfile, no key, nothing reached by a link that leads out.
//   - No answer is older than the file on disk: everything carries an ETag and is asked for again.
//   - Only requests under an allowed name and from our own pages are answered.
//   - Several servers may live in one process: they share nothing but the pace of Go's garbage collector while one
//     builds a site for the first time, and whatever runs was started by the caller.
//
// A program that has pages of its own puts [Server.Middleware] around them. With [Options.Production] the same program serves
// what devserve build made, and nothing of the above happens.
package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/reload"
	"github.com/devserve/devserve/watcher"
	"github.com/evanw/esbuild/pkg/api"
)

// Options says what to serve. Only Dir is required, and not even that with Production.
type Options struct {
	Dir          string            // the site's root
	Base         string            // URL prefix under which pages see the site, as "/sub/"; "" means "/"
	Ignore       []string          // doublestar globs, relative to Dir, that are neither watched nor reported
	Define       map[string]string // as esbuild's Define
	AllowHosts   []string          // host names beside loopback under which requests may come
	AllowOrigins []string          // origins, as "https://app.example.com", whose pages may read what is served, by CORS
	Plugins      []api.Plugin      // esbuild plugins
	CacheDir     string            // a folder that keeps compiled modules between runs, safe to delete; "" keeps none
	Watch        []string          // doublestar globs, absolute or from the working directory, of what the program renders its pages from
	Log          *slog.Logger      // debug records, and errors that no caller can be told; nil discards them

	// Production, if it is not nil, makes the server one of a built site: it holds the output of devserve build, at its root or
	// below folders that hold nothing else, as an embed.FS does. Nothing is watched, compiled or injected then, Run only waits, and what is for
	// development, Dir among it, is not looked at; Base must be that of the build.
	Production fs.FS

	// Poll looks for changed files in place of being told of them: where the system tells nothing, as on network drives.
	Poll bool

	// NoHMR has pages load anew for every change of a script. Style sheets are swapped all the same.
	NoHMR bool

	// Proxy has other servers by the beginning of the URL paths that are theirs: "/api" is itself and all below it, the longest wins, also
	// over files of the site. Backend is one for all that is no file of the site; in Middleware next has its place. An
	// address is http://host:port, https://host, h2c://host:port (HTTP/2 without TLS) or unix:/path/to/socket.
	Proxy   map[string]string
	Backend string

	// Commands are programs that serve what the site does not, and generators that run before them: see package command. Run
	// builds, starts and ends them. Without Backend and Proxy the last program is the backend: it is told in the variable
	// PORT at which port of localhost to listen, which is $PORT in Proxy's addresses. "off" for Backend says that none of them serves pages. While programs
	// start, requests for servers on this machine are held; pages load anew when one answers that was started again.
	Commands []command.Spec

	// OnChange is told which files that Watch means have changed, by absolute paths, before the pages fetch themselves
	// again: here a program parses its templates anew. An error is shown in the pages, which stay as they
	// are, until a call returns none; what html/template says gets its place and its line. Calls do not overlap.
	OnChange func(files []string) error

	// OnMessage is told what a page sends by import.meta.hot.send: a name and JSON, which may be empty. OnReload
	// is told why a page loads itself anew, which only the page knows. Both may be called from several goroutines.
	OnMessage func(event string, data json.RawMessage)
	OnReload  func(reason string)

	// OnOpen opens a file of the site in the developer's editor, for a page that asks: an absolute path without links, line and column
	// from 1, or 0. What it returns is told to the page. Nil answers that there is no editor.
	OnOpen func(file string, line, column int) error

	// OnBuild is told of every build that ended, and of a page that asked for a module that is not
	// there; OnProgress of long builds while they run. For terminals. They must not call Close.
	OnBuild    func(Build)
	OnProgress func(compiled, found int)

	// OnTrace is told where the milliseconds of a save went, after OnBuild: once for each page that shows what it brought, or, if
	// none does within seconds, without pages. Calls do not overlap, and must not call Close. Nil asks pages for nothing: they
	// send a small request once all is painted. What is known without them is in _devserve/status all the same.
	OnTrace func(Trace)

	// OnCommand is told what the Commands are about, with its Diagnostics as pages show them, and OnOutput what they print, line by
	// line. Both delay the command that it is about, and no other, as long as they take.
	OnCommand func(command.State, []Diagnostic)
	OnOutput  func(name, line string)
}

// A Build is what a person wants to know of one build.
type Build struct {
	Number   int64    // 0 where there was nothing to build: a missing module, what another source found
	Source   string   // what found the errors or is mended, as given to Diagnose; "" for the site's own builds
	Files    []string // what changed, relative to Dir; empty for a page's first build
	Entry    string   // the entry point of a first build
	Did      string   // "first build", "hot update", "style sheet", "asset", "page reload", "page refresh", "no change", "error", "mended"
	Reason   string   // why a full reload, if one
	Modules  int      // compiled
	Took     time.Duration
	Clients  int // streams that were told
	Errors   []Diagnostic
	Warnings []Diagnostic
}

// A Diagnostic is an error or a warning with its place.
type Diagnostic = builder.Diagnostic

// A Note adds to a [Diagnostic].
type Note = builder.Note

// A Trace says where the milliseconds of a save went.
type Trace = reload.Trace

// A PageTrace is a page's part of a [Trace].
type PageTrace = reload.PageTrace

// Server is a site under development. Its methods are safe for concurrent use.
type Server struct {
	o       Options
	base    string
	log     *slog.Logger
	files   files
	watcher *watcher.Watcher
	builder *builder.Builder
	hub     *reload.Hub

	built     *built     // nil in development
	templates *templates // nil without Options.Watch
	copies    copies
	state     state
	panics    panics
	handle    http.Handler
	end       func() error // closes builder and hub, once

	routes   []route         // of the proxy, the longest path first
	backend  *upstream       // nil if there is none
	commands *commands       // nil if there are none
	closing  context.Context // done once end was called
	batch    watcher.Batch   // that Run rebuilds for
	settling chan string     // holds the path of a file that is being written
	telling  sync.Mutex      // held from a traced event until OnBuild has returned, and while OnTrace is called
	hop      string          // names this server to itself, see hopHeader

	mu      sync.Mutex
	closed  bool
	stop    context.CancelFunc // ends Run; nil when it does not run
	stopped chan struct{}      // closed when Run has ended
}

var validBase = regexp.MustCompile(`^/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*$`)

// New checks o; it starts nothing and touches no global.
func New(o Options) (*Server, error) {
	if o.Production != nil {
		return newProduction(o)
	}
	dir, err := siteDir(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Base == "" {
		o.Base = "/"
	}
	if !validBase.MatchString(o.Base) {
		return nil, fmt.Errorf(`server: bad base %q: give it as "/", "/sub/" or "/a/b/", of letters, digits and ._~-`, o.Base)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o:     o,
		base:  o.Base,
		log:   o.Log.With("pkg", "server"),
		files: files{dir: dir, base: o.Base},
		state: state{base: o.Base},
		hop:   rand.Text(),

		settling: make(chan string, 1),
	}
	s.guardCallbacks()
	if s.watcher, err = watcher.New([]string{dir}, watcher.Options{
		Ignore: o.Ignore, Poll: o.Poll, Log: o.Log, OnSettling: s.settle, OnError: s.unwatched, OnPanic: s.fell,
	}); err != nil {
		return nil, err
	}
	if s.templates, err = newTemplates(o.Watch, watcher.Options{Poll: o.Poll, Log: o.Log, OnError: s.unwatched, OnPanic: s.fell}); err != nil {
		return nil, err
	}
	s.hub, err = reload.New(reload.Options{Base: o.Base, AllowHosts: o.AllowHosts, AllowOrigins: o.AllowOrigins, Log: o.Log, OnMessage: s.message, OnOpen: s.opener(), OnTrace: s.o.OnTrace, Status: s.status})
	if err != nil {
		return nil, err
	}
	s.builder, err = builder.New(builder.Options{
		Dir:        dir,
		Base:       o.Base,
		Define:     o.Define,
		Plugins:    o.Plugins,
		Log:        o.Log,
		CacheDir:   o.CacheDir,
		OnBuilding: s.state.building,
		OnResult:   s.result,
		OnProgress: s.o.OnProgress,
	})
	if err != nil {
		return nil, err
	}
	s.state.publish = func(e reload.Event) { s.hub.Publish(e) } // it fails only when the pages are gone already
	var closing context.CancelFunc
	s.closing, closing = context.WithCancel(context.Background())
	if err = s.newCommands(); err == nil {
		err = s.newUpstreams()
	}
	if err != nil {
		closing()
		return nil, err
	}
	s.end = sync.OnceValue(func() error {
		closing()
		defer s.idle()
		return errors.Join(s.builder.Close(), s.hub.Close())
	})
	var rest http.Handler
	if s.backend != nil {
		rest = s.backend
	}
	s.handle = s.handler(rest)
	return s, nil
}

// siteDir returns the site's folder as an absolute path without links: the name under which
// esbuild, too, will know its files.
func siteDir(name string) (string, error) {
	if name == "" {
		return "", errors.New(`server: no directory: name the site's folder, "." for the current one`)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("server: no such directory %q: name the folder that holds index.html", name)
	case err != nil:
		return "", fmt.Errorf("server: open %q: %w", name, errors.Unwrap(err))
	case !info.IsDir():
		return "", fmt.Errorf("server: %q is no directory: name the folder it is in, %q", name, filepath.Dir(name))
	}
	dir, err := filepath.Abs(name)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("server: open %q: %w", name, err)
	}
	return dir, nil
}

// ServeHTTP serves the site alone: own endpoints, what is another server's by Options.Proxy, bundles, files, index pages, and
// for what is not there the backend's answer, or if there is no backend the nearest index page (a navigation), or 404.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handle.ServeHTTP(w, r) }

// Middleware serves the site's files and bundles, leaves every request for what is not there to next, and loads
// the client into the pages of both. Folders are answered by their index.html alone. A program whose
// server has handlers for "/" wraps its whole mux.
func (s *Server) Middleware(next http.Handler) http.Handler {
	if s.built != nil {
		return s.built.handler(next)
	}
	return s.handler(next)
}

// Run watches, builds and runs the commands until ctx is done or Close is called; then it waits for a running build, ends all
// event streams and every process, and returns nil. An error says that the site cannot be watched (any more); files
// and bundles are still served then, until Close. Run is called once.
func (s *Server) Run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil
	case s.stop != nil:
		s.mu.Unlock()
		return errors.New("server: Run called twice")
	}
	s.stop, s.stopped = cancel, make(chan struct{})
	s.mu.Unlock()
	defer close(s.stopped)

	if s.built != nil {
		<-ctx.Done()
		return s.end()
	}
	if s.templates != nil {
		ran := make(chan error, 1)
		go func() { ran <- s.watchTemplates(ctx) }()
		select {
		case <-s.templates.watcher.Ready():
			defer func() { cancel(); <-ran }()
		case err := <-ran:
			if err != nil {
				return err
			}
		}
	}
	if s.commands != nil {
		started := make(chan struct{})
		ran := make(chan error, 1)
		go func() {
			defer cancel()
			ran <- s.commands.run(ctx, func() { close(started) })
		}()
		defer func() {
			cancel()
			err = errors.Join(err, <-ran)
		}()
		select {
		case <-started:
		case <-ctx.Done():
		}
	}
	var ahead sync.WaitGroup
	ahead.Go(func() { s.safely("the first build", func() { s.prepare(ctx) }) })
	ahead.Go(func() { s.compileAhead(ctx) })
	defer ahead.Wait()
	err = s.watcher.Run(ctx, func(b watcher.Batch) { s.safely("a change of files", func() { s.changed(ctx, b) }) })
	cancel()
	if err != nil {
		return err
	}
	return s.end()
}

// changed is told by the watcher what has changed.
func (s *Server) changed(ctx context.Context, b watcher.Batch) {
	changed := make([]string, len(b.Changes))
	for i, c := range b.Changes {
		changed[i] = c.Path
	}
	s.state.changed(func(name string) bool {
		_, ok := s.files.regular(name)
		return ok
	})
	s.batch = b
	s.builder.Rebuild(ctx, changed)
	s.watcher.Watch(s.builder.Inputs())
}

// Ready is closed once the site is watched: from then on no change is missed.
func (s *Server) Ready() <-chan struct{} {
	if s.built != nil {
		return always
	}
	return s.watcher.Ready()
}

// Reload makes every page load anew, and tells people the reason. After Close it returns [reload.ErrClosed].
func (s *Server) Reload(reason string) error {
	_, err := s.hub.Reload(reason)
	return err
}

// Publish sends a custom event to every page: what import.meta.hot.on(event) listens for. Data must marshal to JSON. After
// Close it returns [reload.ErrClosed].
func (s *Server) Publish(event string, data any) error {
	_, err := s.hub.Publish(reload.Custom{Event: event, Data: data})
	return err
}

// Diagnose says that errors are all that is wrong with source, a name for people such as "backend" or "templates"; with none
// it is mended. Pages show the errors of every source until each is mended, whatever the site's own builds
// find, whose source is "esbuild" and not for others to use.
func (s *Server) Diagnose(source string, errors []Diagnostic) error {
	if source == "" || source == reload.OwnSource || source == panicSource {
		return fmt.Errorf("server: diagnose: source %q is the site's own: name what found the errors", source)
	}
	if s.state.diagnose(source, errors) && s.o.OnBuild != nil {
		b := Build{Source: source, Did: "mended", Clients: s.hub.Clients(), Errors: errors}
		if len(errors) > 0 {
			b.Did = "error"
		}
		s.o.OnBuild(b)
	}
	return nil
}

// Close stops Run, waits for it and for a running build, and ends all event streams, in this order. It may be
// called at any time and more than once. An http.Server's Shutdown waits for the streams: register Close with
// RegisterOnShutdown, or cancel Run's context first.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	stop, stopped := s.stop, s.stopped
	s.mu.Unlock()
	if stop != nil {
		stop()
		<-stopped
	}
	return s.end()
}

// result is told by the builder what a build has found.
func (s *Server) result(r builder.Result) {
	if r.Entry != "" {
		s.watcher.Watch(s.builder.Inputs()) // what a first build reads beside the site
	}
	if s.o.NoHMR {
		r = cold(r)
	}
	clients := s.hub.Clients()
	concerned := s.commands.concerned(r, s.files.dir)
	var trace *reload.Trace
	if r.Entry == "" && !concerned {
		trace = traceOf(s.batch)
		trace.Files, trace.Began, trace.Compiled = r.Files, r.Began, r.Began.Add(r.Took)
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.state.result(r, trace)
	if len(r.Errors) == 0 && r.Entry == "" {
		s.stands("")
	}
	if s.o.OnBuild != nil && !concerned {
		s.o.OnBuild(report(r, clients))
	}
}

// traceOf begins the trace of what a batch leads to.
func traceOf(b watcher.Batch) *reload.Trace {
	return &reload.Trace{Written: b.Written, Seen: b.First, Settled: b.Settled}
}

// unwatched is told by the watcher what it cannot watch, with the cure: a change there comes late.
func (s *Server) unwatched(err error) { s.log.Warn(err.Error()) }

// opener is what opens a file that a page names, if there is anything that can: a regular file of the site, wherever its
// links lead in it.
func (s *Server) opener() func(file string, line, column int) error {
	if s.o.OnOpen == nil {
		return nil
	}
	return func(name string, line, column int) error {
		e, ok := s.files.regular(filepath.ToSlash(name))
		if !ok {
			return errNotFound
		}
		return s.o.OnOpen(filepath.Join(s.files.dir, filepath.FromSlash(e.real)), line, column)
	}
}

// message is told by the hub what a page sends.
func (s *Server) message(event string, data json.RawMessage) {
	if event != "devserve:reload" {
		if s.o.OnMessage != nil {
			s.o.OnMessage(event, data)
		}
		return
	}
	var body struct{ Reason string }
	if json.Unmarshal(data, &body) == nil && body.Reason != "" && s.o.OnReload != nil {
		s.o.OnReload(body.Reason)
	}
}
