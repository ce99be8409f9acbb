// Package server wires watcher, builder and reload into one http.Handler.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// Options says what to serve. Only Dir is required.
type Options struct {
	Dir        string            // the site's root
	Base       string            // URL prefix under which pages see the site, as "/sub/"; "" means "/"
	Ignore     []string          // doublestar globs, relative to Dir, that are neither watched nor reported
	Define     map[string]string // as esbuild's Define
	AllowHosts []string          // host names beside loopback under which requests may come
	Plugins    []api.Plugin      // esbuild plugins
	Log        *slog.Logger      // debug records; nil discards them

	// OnBuild is told of every build that ended, and OnProgress of long ones while they run; for terminals.
	OnBuild    func(Build)
	OnProgress func(compiled, found int)
}

// A Build is what a person wants to know of one build.
type Build struct {
	Number   int64
	Files    []string // what changed, relative to Dir; empty for a page's first build
	Entry    string   // the entry point of a first build
	Did      string   // "hot update", "style sheet", "page reload", …
	Reason   string   // why a full reload, if one
	Modules  int      // compiled
	Took     time.Duration
	Clients  int // streams that were told
	Errors   []Diagnostic
	Warnings []Diagnostic
}

// A Diagnostic is an error or warning with its place; see builder.Diagnostic.
type Diagnostic struct {
	Text, File           string
	Line, Column, Length int // from 1; 0 when unknown
	LineText             string
	Notes                []Note
}

// A Note adds to a Diagnostic.
type Note struct {
	Text, File           string
	Line, Column, Length int
	LineText             string
}

// Server is a site under development.
type Server struct{}

// New checks o; it starts nothing and touches no global.
func New(o Options) (*Server, error) { return nil, errors.ErrUnsupported }

// ServeHTTP serves the site: own endpoints, bundles, files, SPA fallback.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Middleware serves the site's files and bundles, leaves the rest to next and injects the client into its HTML.
func (s *Server) Middleware(next http.Handler) http.Handler { return next }

// Run watches and builds until ctx is done, then returns nil.
func (s *Server) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Ready is closed once the site is watched: from then on no change is missed.
func (s *Server) Ready() <-chan struct{} { return nil }

// Reload makes every page load anew, with a reason for people.
func (s *Server) Reload(reason string) error { return nil }

// Close ends all event streams and waits for a running build. An http.Server's Shutdown
// would wait for the streams: register Close with RegisterOnShutdown.
func (s *Server) Close() error { return nil }
