// Package builder compiles a site's modules with esbuild and says what a change of files means to a page.
package builder

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// Options says what to build. Dir is required; the rest may be zero.
type Options struct {
	Dir     string            // the site's root, absolute
	Base    string            // URL prefix with both slashes; "" means "/"
	Define  map[string]string // as esbuild's Define
	Plugins []api.Plugin      // the user's, before our own
	Log     *slog.Logger      // debug records; nil discards them

	// OnBuilding is called when a build begins, with the files that caused it
	// (relative to Dir, slash-separated), and OnResult when it ended. Calls come
	// one at a time and in order; they must not call back into the Builder's
	// building methods.
	OnBuilding func(build int64, files []string)
	OnResult   func(Result)

	// OnProgress tells of modules compiled of those found, during a build.
	OnProgress func(compiled, found int)
}

// A Result is what a build found: an update for the pages, or diagnostics.
type Result struct {
	Build    int64  // counts from 1 in a process
	Hash     string // of the last good state
	Took     time.Duration
	Files    []string     // the changed files, relative to Dir; empty for a first build
	Entry    string       // the entry point of a first build, else ""
	Modules  int          // compiled in this build
	Updates  []Update     // only of a good build
	Reload   string       // why nothing but a full reload will do; "" otherwise
	Errors   []Diagnostic // not empty: the build failed and the last good state stays
	Warnings []Diagnostic
}

// UpdateType says what a page does with an [Update].
type UpdateType string

const (
	JS    UpdateType = "js"
	CSS   UpdateType = "css"
	HTML  UpdateType = "html"
	Asset UpdateType = "asset"
)

// An Update is one changed thing a page may show.
type Update struct {
	Type UpdateType
	Path string // URL path with the base (inside Dir), or the module ID
	Code string // js: the module's factory; css: the style sheet; else ""
}

// A Diagnostic is an error or a warning for people. Lines and columns count from 1,
// columns and lengths in UTF-16 code units, as editors and browsers do.
type Diagnostic struct {
	Source   string // "esbuild", …
	Text     string
	File     string // relative to Dir, slash-separated; "" when unknown
	Line     int    // 0 when unknown
	Column   int
	Length   int
	LineText string
	Notes    []Note
}

// A Note adds to a [Diagnostic]; its place may be unknown.
type Note struct {
	Text     string
	File     string
	Line     int
	Column   int
	Length   int
	LineText string
}

// An Output is something to serve.
type Output struct {
	Body        []byte
	ETag        string // quoted
	ContentType string
}

// ErrNotFound says that there is no such file to build from.
var ErrNotFound = errors.New("builder: no such file")

// Builder holds the module graph. Its methods are safe for concurrent use; builds never overlap.
type Builder struct{}

func New(o Options) (*Builder, error) { return nil, errors.ErrUnsupported }

// Script returns the bundle for the script entry point at path, which is
// relative to Dir and slash-separated. It builds at the first call and answers from
// memory afterwards. A build that fails is reported to OnResult and answered
// by the last good bundle, or by a script that waits for the fix.
func (b *Builder) Script(ctx context.Context, path string) (Output, error) {
	return Output{}, errors.ErrUnsupported
}

// Style returns the style sheet at path with its imports bundled, like Script.
func (b *Builder) Style(ctx context.Context, path string) (Output, error) {
	return Output{}, errors.ErrUnsupported
}

// Resource answers what lies under the URL prefix /_devserve/build/ (rest is what
// follows it): source maps, lazily imported modules, assets outside Dir.
func (b *Builder) Resource(ctx context.Context, rest string) (Output, error) {
	return Output{}, errors.ErrUnsupported
}

// Rebuild takes in changed files (absolute paths; created, written or removed),
// recompiles what they concern and reports to OnResult. Files it has never read are
// reported as html or asset updates.
func (b *Builder) Rebuild(ctx context.Context, changed []string) {}

// Inputs lists the files outside Dir, or in its node_modules, that the module graph
// has read or looked for: what should be watched beside Dir. Absolute paths.
func (b *Builder) Inputs() []string { return nil }

// Close waits for a running build.
func (b *Builder) Close() error { return nil }
