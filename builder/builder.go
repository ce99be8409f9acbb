// Package builder compiles a site's modules with esbuild and says what a change of files
// means to a page.
//
// It keeps a graph of the modules that pages have asked for. Each is compiled by itself, so
// that a change costs what the changed files cost, whatever the size of the site. A page's bundle is put
// together from the compiled modules when it is asked for.
//
// What it guarantees: builds never overlap; a change handed to [Builder.Rebuild] is in
// the next answer; while any file that a page needs is broken, every answer is that of the last good
// state; no file makes it stop working for good.
package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// Options says what to build. Dir is required; the rest may be zero.
type Options struct {
	Dir     string            // the site's root, absolute
	Base    string            // URL prefix with both slashes; "" means "/"
	Define  map[string]string // as esbuild's Define
	Plugins []api.Plugin      // the user's; they see every import and every file
	Log     *slog.Logger      // debug records; nil discards them

	// CacheDir is a folder that keeps compiled modules between runs; "" keeps none. It may be deleted at any time.
	// With Plugins nothing is kept, as what they do is not known.
	CacheDir string

	// OnBuilding is called when a build begins, with the files that caused it
	// (relative to Dir, slash-separated), and OnResult when it ended. Calls come
	// one at a time and in order; they must not call back into the Builder, save for Inputs.
	OnBuilding func(build int64, files []string)
	OnResult   func(Result)

	// OnProgress tells of modules compiled of those found, during a build.
	OnProgress func(compiled, found int)
}

// A Result is what a build found: an update for the pages, or diagnostics.
type Result struct {
	Build    int64  // counts from 1 in a process
	Hash     string // of the last good state
	Began    time.Time
	Took     time.Duration
	Files    []string     // the changed files, relative to Dir; empty for a first build
	Entry    string       // URL path of what a page asked for the first time, else ""
	Modules  int          // compiled in this build
	Updates  []Update     // of modules only if the build is good
	Info     Info         // of the modules in Updates
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

// Info is what a page must know of modules beyond their code.
type Info struct {
	// Asyncs lists the static imports, in order, of modules that run asynchronously.
	Asyncs map[string][]string `json:"asyncs,omitempty"`
	// Names tells, for a module that accepts exports by name, what each importer reads of it.
	Names map[string]map[string][]string `json:"names,omitempty"`
	// Specs tells, for a module that accepts dependencies, the ID that each import specifier means.
	Specs map[string]map[string]string `json:"specs,omitempty"`
	// Imports and Lazies list, for a changed module, what it imports and what it asks for by import(): a page may lack
	// the former, and drops what is no more among the latter.
	Imports map[string][]string `json:"imports,omitempty"`
	Lazies  map[string][]string `json:"lazies,omitempty"`
}

// An Update is one changed thing a page may show.
type Update struct {
	Type UpdateType
	Path string // URL path with the base (inside Dir), or the module ID

	// Code is a module's factory, or the text of a style sheet that modules import.
	// It is empty for what a page loads by its URL.
	Code string
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

// ErrNotFound says that there is no such file to build from, ErrClosed that Close was called.
var (
	ErrNotFound = errors.New("builder: no such file")
	ErrClosed   = errors.New("builder: closed")
)

var errBroken = errors.New("builder: this cannot be built as it is")

// resourcePrefix is where, below the base, pages find what [Builder.Resource] answers.
const resourcePrefix = "_devserve/build/"

// Builder holds the module graph. Its methods are safe for concurrent use; builds never overlap.
type Builder struct {
	o        Options
	log      *slog.Logger
	resolver *resolver
	closing  atomic.Bool

	mu       sync.Mutex // held by a build and by whoever reads what it makes
	jsx      jsx
	build    int64
	version  int64 // of the good state
	rewired  int64 // the last build in which a module's imports became others
	modules  map[string]*module
	wanted   map[*module]bool   // what pages have asked for
	entries  map[*module]bool   // those of wanted that they did not ask for by import()
	linked   map[*module]bool   // those of entries that are style sheets in a <link>
	workers  map[*module]bool   // those that run in workers
	fresh    *module            // what a page has just asked for; nil unless the running build is for it
	bundles  map[string]*bundle // of the good state, by kind and ID
	pending  map[*module]bool   // those whose next state is not the good one
	past     map[string]bool    // IDs of modules that pages may have an old state of, though they are not in the graph
	errors   []Diagnostic       // of the last build
	shaken   atomic.Bool        // something panicked: the next build compiles all anew
	sum      [8]byte            // of all that the good state is made of, in no order
	reshaped bool               // the running build changed what imports what
	deps     struct{ next, good *dependencies }
	vars     vars
	byFile   map[string][]*module
	byLookup map[string][]*module
	byImport map[string][]*module // by the ID that they import, as before the running build
	globs    []*module            // those with import.meta.glob
	suspects map[*module]bool     // modules of the running build whose imports may lack a name
	flawed   map[*module]bool     // modules with errors or warnings
	waiting  map[*module]bool     // those whose good state has top-level await
	updates  []keptUpdate
	marks    int
	shape    int // counts modules that came and went

	learnMu sync.Mutex // guards what esbuild's callbacks add during a build
	learned map[string]target
	outside map[string]string // files outside the site that pages may load, by name

	releasing *releasing // during Release
	ahead     *ahead     // nil unless something was compiled ahead of the next build

	standbys    []*standby // calls of esbuild that wait, the longest first
	standing    sync.WaitGroup
	standbyRest time.Duration

	cache *cache // nil without one

	sourcesMu sync.Mutex
	sources   map[string][]byte // what the running build has read, by path
	configs   map[string]config // by directory
	recalled  int               // modules that came from the cache

	configFiles map[string]bool // what all modules' configs are read from

	inputsMu sync.Mutex
	inputs   struct{ read, looked []string } // see Inputs
}

// New checks o. It reads nothing but the site's package.json and starts nothing.
func New(o Options) (*Builder, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("builder: Dir %q is not absolute", o.Dir)
	}
	dir, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("builder: Dir: %w", err)
	}
	if o.Base == "" {
		o.Base = "/"
	}
	if !strings.HasPrefix(o.Base, "/") || !strings.HasSuffix(o.Base, "/") {
		return nil, fmt.Errorf("builder: Base %q does not begin and end with a slash", o.Base)
	}
	b := &Builder{
		o: o, log: o.Log,
		resolver: newResolver(dir, o.Base, len(o.Plugins) > 0),
		modules:  map[string]*module{}, wanted: map[*module]bool{}, entries: map[*module]bool{}, linked: map[*module]bool{}, workers: map[*module]bool{},
		bundles: map[string]*bundle{}, pending: map[*module]bool{}, past: map[string]bool{}, suspects: map[*module]bool{}, flawed: map[*module]bool{}, waiting: map[*module]bool{},
		byFile: map[string][]*module{}, byLookup: map[string][]*module{}, byImport: map[string][]*module{},
		learned: map[string]target{}, outside: map[string]string{},
		standbyRest: standbyRest,
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.log = b.log.With("pkg", "builder")
	b.setJSX(b.detectJSX(dir))
	b.configs = map[string]config{}
	if o.CacheDir != "" && len(o.Plugins) == 0 {
		b.cache = openCache(o.CacheDir, dir, b.fingerprint(), b.uncached)
	}
	return b, nil
}

// Script returns the bundle for the script entry point at path, which is
// relative to Dir and slash-separated. It builds at the first call and answers from
// memory afterwards. A build that fails is reported to OnResult and answered
// by the last good bundle, or by a script that waits for the fix. Without such a file it is [ErrNotFound].
func (b *Builder) Script(ctx context.Context, path string) (Output, error) {
	return b.serve(ctx, path, "script", b.scriptOf)
}

// Worker is Script for workers, which may be classic scripts: nothing is exported.
func (b *Builder) Worker(ctx context.Context, path string) (Output, error) {
	return b.serve(ctx, path, "worker", func(m *module) *bundle { return b.script(m, false) })
}

// Style returns the style sheet at path with its imports bundled, like Script.
func (b *Builder) Style(ctx context.Context, path string) (Output, error) {
	return b.serve(ctx, path, "style", b.styleSheet)
}

// Prepare builds the script entry point at path before a page asks for it. Nothing is said of what is wrong
// with it: a page that needs it may never come, and builds it again.
func (b *Builder) Prepare(path string) {
	abs, err := filepath.EvalSymlinks(filepath.Join(b.resolver.dir, filepath.FromSlash(path)))
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.add(b.resolver.target(abs, ""))
	b.entries[m] = true
	if b.want(m, true) == nil {
		b.cached("script", m, b.scriptOf)
	}
}

func (b *Builder) scriptOf(m *module) *bundle { return b.script(m, true) }

func (b *Builder) serve(ctx context.Context, path, what string, assemble func(*module) *bundle) (Output, error) {
	abs := filepath.Join(b.resolver.dir, filepath.FromSlash(path))
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Output{}, err
	}
	if info, err := os.Stat(abs); err != nil || !info.Mode().IsRegular() {
		if m := b.modules[b.resolver.id(abs)]; m == nil || m.good == nil {
			return Output{}, fmt.Errorf("%w: %s", ErrNotFound, path)
		}
	} else if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	m := b.add(b.resolver.target(abs, ""))
	switch what {
	case "style":
		b.linked[m] = true
	case "worker":
		b.workers[m] = true
	}
	b.entries[m] = true
	if err := b.want(m, false); err != nil {
		return Output{}, err
	}
	return b.cached(what, m, assemble).Output, nil
}

// cached returns the bundle of the good state, assembled at most once.
func (b *Builder) cached(what string, m *module, assemble func(*module) *bundle) *bundle {
	key := what + " " + m.id
	if out := b.bundles[key]; out != nil && out.version == b.version && m.good != nil {
		return out
	}
	out := assemble(m)
	b.bundles[key] = out
	return out
}

// want makes m a root of the graph, and builds what that needs. It fails by a panic, by Close, and, if nobody has asked for
// m yet, by what is wrong with it.
func (b *Builder) want(m *module, ahead bool) error {
	if b.wanted[m] {
		return nil
	}
	began := time.Now()
	b.wanted[m], b.fresh = true, m
	defer func() { b.fresh = nil }()
	b.build++
	b.ahead = nil
	if b.o.OnBuilding != nil && !ahead {
		b.o.OnBuilding(b.build, []string{})
	}
	r := Result{Build: b.build, Began: began, Entry: m.id, Files: []string{}}
	var stopped error
	err := b.guardBuild(&r, func() {
		b.resolver.begin()
		var ms []*module
		if m.next == nil || len(m.errors) > 0 {
			ms = []*module{m}
		}
		end := beginBurst()
		defer end()
		r.Modules = b.discover(ms)
		switch {
		case b.closing.Load():
			stopped = ErrClosed
		case ahead && len(b.check()) > 0:
			stopped = errBroken
		default:
			r = b.finish(r)
			r.Took = time.Since(began)
			b.report(r)
		}
	})
	if err = cmp.Or(err, stopped); err != nil {
		delete(b.wanted, m) // who asks again builds again
		delete(b.entries, m)
		b.reshaped = true
	}
	if stopped == errBroken {
		b.fresh = nil // it is no root any more
		b.forgetUnreported()
	}
	b.reshaped = b.reshaped || !b.entries[m] // nothing may ask for it any more
	return err
}

// forgetUnreported drops what a build has read that nobody was told of. What of that lies outside the site is not watched, and may
// be another when it is needed; what is still as it was comes from the cache.
func (b *Builder) forgetUnreported() {
	b.prune()
	b.deps.next = nil
	b.forget()
}

// forget drops what is remembered of the file system beside the modules: files came or went, or mean something else.
func (b *Builder) forget() {
	b.resolver.forget()
	b.dropStandbys()
}

func (b *Builder) report(r Result) {
	b.log.Debug("built", "build", r.Build, "modules", r.Modules, "took_ms", float64(r.Took.Microseconds())/1000, "errors", len(r.Errors))
	if b.o.OnResult != nil {
		b.o.OnResult(r)
	}
	b.cache.save()
}

// learn notes a target that an import of the running build resolved to. esbuild calls back from many goroutines.
func (b *Builder) learn(t target) {
	b.learnMu.Lock()
	defer b.learnMu.Unlock()
	b.learned[t.id] = t
}

// discover compiles ms, and in waves what they import that is not in the graph yet. It
// returns how many modules it compiled.
func (b *Builder) discover(ms []*module) (count int) {
	found := len(ms)
	queue := ms
	step := wave
	if b.cache != nil && len(b.cache.records) > 0 {
		step = recallWave // those that it has not are compiled in waves
	}
	for {
		if len(queue) == 0 {
			queue = b.renewDependencies()
			found += len(queue)
		}
		if len(queue) == 0 || b.closing.Load() {
			return count
		}
		part := queue[:min(step, len(queue))]
		queue = queue[len(part):]
		results := b.compileOrRecall(part)
		for _, m := range part { // in order, so that what comes next does not depend on chance
			queue = append(queue, b.take(m, results[m])...)
		}
		count += len(part)
		found = max(found, count+len(queue))
		if b.o.OnProgress != nil {
			b.o.OnProgress(count, found)
		}
	}
}

// compileOrRecall compiles ms, save for those that the cache has.
func (b *Builder) compileOrRecall(ms []*module) map[*module]result {
	b.sources = map[string][]byte{}
	defer func() { b.sources = nil }()
	if b.cache == nil {
		return b.compileOrTake(ms)
	}
	results := b.recall(ms)
	rest := slices.DeleteFunc(slices.Clone(ms), func(m *module) bool { return results[m].compiled != nil })
	for m, r := range b.compileOrTake(rest) {
		results[m] = r
		b.remember(m, r)
	}
	return results
}

// compileOrTake compiles ms, unless that was done ahead.
func (b *Builder) compileOrTake(ms []*module) map[*module]result {
	if r, ok := b.compiledAhead(ms); ok {
		return map[*module]result{ms[0]: r}
	}
	return b.compile(ms)
}

// take makes r the next state of m, and returns what m imports that is new to the graph.
func (b *Builder) take(m *module, r result) (added []*module) {
	m.errors = r.errors
	b.suspects[m] = true
	if r.compiled == nil {
		if len(r.looked) > 0 && !slices.Equal(r.looked, m.looked) {
			m.looked = r.looked
			b.reshaped = true // what it looked for in vain must be found again
		}
		b.reshaped = b.reshaped || m.next == nil
		return nil
	}
	old := m.next
	m.next, m.looked = r.compiled, nil
	b.pending[m] = true
	if old == nil || !slices.Equal(old.imports, m.next.imports) || !slices.Equal(old.inputs, m.next.inputs) || !slices.Equal(old.looked, m.next.looked) ||
		(len(old.globs) > 0) != (len(m.next.globs) > 0) {
		b.reshaped = true
	}
	if old == nil || !slices.Equal(old.exports, m.next.exports) || !slices.Equal(old.reExports, m.next.reExports) {
		b.suspectImporters(m)
	}
	for _, e := range m.next.imports {
		if b.modules[e.id] != nil || e.lazy {
			continue
		}
		if t, ok := b.learned[e.id]; ok {
			added = append(added, b.add(t))
		}
	}
	return added
}

// suspectImporters marks the modules that may miss a name, now that the exports of m are others.
func (b *Builder) suspectImporters(m *module) {
	if m.good == nil && len(m.errors) == 0 && len(b.pending) > wave {
		return // a first build: every module is a suspect by itself
	}
	seen := map[*module]bool{}
	for queue := []*module{m}; len(queue) > 0; queue = queue[1:] {
		for _, o := range b.importers(queue[0], next) {
			if b.suspects[o] = true; !seen[o] && o.next != nil && slices.Contains(o.next.reExports, queue[0].id) {
				seen[o] = true
				queue = append(queue, o)
			}
		}
	}
}

// renewDependencies rebuilds the dependency bundle when the site's modules import what it
// does not offer, and returns the modules that only packages import and that are to be compiled next.
func (b *Builder) renewDependencies() []*module {
	if !b.reshaped && b.deps.next != nil || b.deps.next == nil && b.deps.good == nil && !b.reshaped {
		return nil
	}
	var needed []*module
	missing := b.deps.next == nil
	b.walk(b.roots(), next, true, func(m *module) {
		if m.kind == kindDependency {
			needed = append(needed, m)
			missing = missing || !b.deps.next.has(m.id)
		}
	})
	if len(needed) == 0 || !missing {
		return nil
	}
	slices.SortFunc(needed, func(x, y *module) int { return strings.Compare(x.id, y.id) })
	began := time.Now()
	d := b.recallDependencies(needed)
	if d == nil {
		d = b.bundleDependencies(needed, api.SourceMapNone)
		b.rememberDependencies(d, began)
	}
	b.log.Debug("dependencies bundled", "entries", len(needed), "took_ms", time.Since(began).Milliseconds(), "bytes", len(d.code))
	b.deps.next = d
	b.reshaped = true
	var edges []edge
	var queue []*module
	for _, t := range d.sources {
		edges = append(edges, edge{spec: t.path, id: t.id})
		if b.modules[t.id] == nil {
			queue = append(queue, b.add(t))
		}
	}
	for _, m := range needed {
		m.next = &compiled{imports: edges, hash: d.hash}
		b.pending[m] = true
	}
	return queue
}

// finish ends a build: it collects what is wrong, or makes the next state the good one and says
// what changed for the pages.
func (b *Builder) finish(r Result) Result {
	b.errors = b.check()
	r.Errors = b.errors
	if len(b.errors) == 0 {
		r.Warnings = b.warnings()
		b.commit(&r, b.pending)
	} else {
		b.commit(&r, b.unconcerned())
		if b.fresh != nil {
			b.commitFresh(&r)
		}
	}
	r.Hash = hex.EncodeToString(b.sum[:])
	return r
}

// check drops what nothing needs any more, and returns what is wrong with the next state.
func (b *Builder) check() []Diagnostic {
	if b.reshaped {
		b.prune()
		b.reshaped = false
	}
	for m := range b.suspects {
		m.missing = b.missing(m)
		if b.modules[m.id] == m && (len(m.errors) > 0 || len(m.missing) > 0 || m.next != nil && len(m.next.warnings) > 0) {
			b.flawed[m] = true
		} else {
			delete(b.flawed, m)
		}
	}
	clear(b.suspects)
	return b.collectErrors()
}

// collectErrors lists what is wrong with the modules that pages need, each thing once. While a
// tsconfig.json or package.json is broken, what else is wrong may follow from that and is left out.
func (b *Builder) collectErrors() []Diagnostic {
	broken := b.deps.next != nil && len(b.deps.next.errors) > 0
	for m := range b.flawed {
		broken = broken || len(m.errors) > 0 || len(m.missing) > 0
	}
	if !broken {
		return nil
	}
	var errs []Diagnostic
	config := false
	add := func(ds []Diagnostic) {
		for _, d := range ds {
			config = config || b.isConfig(b.resolver.abs(d.File))
			if !slices.ContainsFunc(errs, func(o Diagnostic) bool {
				return o.Text == d.Text && o.File == d.File && o.Line == d.Line && o.Column == d.Column
			}) {
				errs = append(errs, d)
			}
		}
	}
	dependent := false
	visit := func(m *module) {
		add(m.errors)
		add(m.missing)
		dependent = dependent || m.kind == kindDependency
	}
	if m := only(b.flawed); m != nil && (b.deps.next == nil || len(b.deps.next.errors) == 0) {
		if b.inUse(m) {
			visit(m)
		}
	} else {
		b.walk(b.roots(), next, true, visit) // what is still in use, in order
	}
	if dependent && b.deps.next != nil {
		add(b.deps.next.errors)
	}
	if config {
		errs = slices.DeleteFunc(errs, func(d Diagnostic) bool { return !b.isConfig(b.resolver.abs(d.File)) })
	}
	return errs
}

// only returns the one module of a set, or nil if there are none or several.
func only(set map[*module]bool) *module {
	if len(set) == 1 {
		for m := range set {
			return m
		}
	}
	return nil
}

func (b *Builder) warnings() []Diagnostic {
	var out []Diagnostic
	if len(b.flawed) > 0 {
		for _, m := range b.inOrder(b.flawed) {
			out = append(out, m.next.warnings...)
		}
	}
	return out
}

// unconcerned lists the pending modules that what is broken has nothing to do with: those that only whole pages
// reach, and style sheets whose text alone changed.
func (b *Builder) unconcerned() map[*module]bool {
	if len(b.pending) == 0 {
		return nil
	}
	broken := slices.DeleteFunc(b.roots(), b.whole)
	b.walk(broken, next, true, func(*module) {})
	concerned := b.marks
	free := map[*module]bool{}
	for m := range b.pending {
		onlyStyle := m.kind.isStyle() && m.good != nil && m.good.hash == m.next.hash && len(m.errors) == 0
		if m.kind != kindDependency && (m.mark != concerned || onlyStyle) {
			free[m] = true
		}
	}
	return free
}

// whole says whether nothing that root needs is broken.
func (b *Builder) whole(root *module) bool {
	whole := true
	b.walk([]*module{root}, next, true, func(m *module) {
		if len(m.errors) > 0 || len(m.missing) > 0 || m.next == nil ||
			m.kind == kindDependency && (b.deps.next == nil || len(b.deps.next.errors) > 0) {
			whole = false
		}
	})
	return whole
}

// commit makes the next state of some pending modules, if not of all, the good one.
func (b *Builder) commit(r *Result, some map[*module]bool) {
	if d := b.deps.next; len(r.Errors) == 0 && d != nil && (b.deps.good == nil || b.deps.good.hash != d.hash) {
		if b.deps.good != nil {
			r.Reload = "the packages in use changed"
			b.mix("dependencies", b.deps.good.hash)
		}
		b.mix("dependencies", d.hash)
		b.deps.good = d
		b.version++
	}
	if len(r.Errors) == 0 {
		r.Reload = cmp.Or(b.commitEnv(), r.Reload)
	}
	var told []*module
	left := false // in the graph, for the last good state had it
	for _, m := range b.inOrder(some) {
		n, g := m.next, m.good
		if n == g || b.modules[m.id] != m {
			continue
		}
		m.good = n
		b.version++
		if n.async {
			b.waiting[m] = true
		} else {
			delete(b.waiting, m)
		}
		if g != nil && !slices.Equal(g.imports, n.imports) {
			b.rewired = r.Build
			left = left || slices.ContainsFunc(g.imports, func(e edge) bool { return !slices.Contains(n.imports, e) })
		}
		if g != nil {
			b.mix(m.id, g.hash+g.styleHash)
		}
		b.mix(m.id, n.hash+n.styleHash)
		if m.kind == kindDependency || m.kind == kindRemote || g == nil && r.Entry != "" && !b.past[m.id] {
			continue // nobody has an older one
		}
		if g == nil || g.hash != n.hash {
			r.Updates = append(r.Updates, Update{Type: JS, Path: m.id, Code: string(n.code)})
			told = append(told, m)
		}
		if m.kind.isStyle() && (g == nil || g.styleHash != n.styleHash) {
			if b.imported(m) {
				r.Updates = append(r.Updates, Update{Type: CSS, Path: m.id, Code: string(n.style)})
			}
			if b.linked[m] {
				r.Updates = append(r.Updates, Update{Type: CSS, Path: m.id})
			}
		}
	}
	for m := range some {
		if b.modules[m.id] == m && m.good != m.next {
			left = true // it is committed when something imports it again
		} else {
			delete(b.pending, m)
		}
	}
	if left {
		b.prune()
	}
	if len(told) > 0 {
		r.Updates = append(r.Updates, b.changedWorkers(told)...)
		changed := told
		if len(b.waiting) > 0 { // what imports them may have to wait now, or no more
			told = nil
			b.walk(b.roots(), good, true, func(m *module) { told = append(told, m) })
		}
		info := b.info(told)
		info.Imports, info.Lazies = imports(changed)
		r.Info = info
		b.keep(r)
	}
}

// changedWorkers is what pages are told when modules change that run in workers, which are out of the reach of
// a page's registry: that the worker's script is another.
func (b *Builder) changedWorkers(changed []*module) []Update {
	var out []Update
	for _, w := range b.roots() {
		if !b.workers[w] {
			continue
		}
		b.walk([]*module{w}, good, true, func(*module) {})
		if slices.ContainsFunc(changed, func(m *module) bool { return m.mark == b.marks }) {
			out = append(out, Update{Type: Asset, Path: w.id})
		}
	}
	return out
}

// inOrder lists a set of modules as they are evaluated.
func (b *Builder) inOrder(set map[*module]bool) []*module {
	if len(set) == 0 {
		return nil
	}
	if m := only(set); m != nil {
		return []*module{m}
	}
	ms := make([]*module, 0, len(set))
	b.walk(b.roots(), next, true, func(m *module) {
		if set[m] {
			ms = append(ms, m)
		}
	})
	return ms
}

// mix adds a part to the sum of the good state, or takes it out again.
func (b *Builder) mix(id, hash string) {
	part := sha256.Sum256([]byte(id + "\x00" + hash))
	for i := range b.sum {
		b.sum[i] ^= part[i]
	}
}

// commitFresh lets a page that came while something else is broken have what is not: modules that have no
// good state yet, when all that they need compiles.
func (b *Builder) commitFresh(r *Result) {
	if !b.whole(b.fresh) {
		return
	}
	some := map[*module]bool{}
	b.walk([]*module{b.fresh}, next, false, func(m *module) {
		if m.good == nil {
			some[m] = true
		}
	})
	b.commit(r, some)
	if d := b.deps.next; d != nil && len(d.errors) == 0 {
		b.deps.good = d
	}
	b.version++
}

// imported says whether a module imports m, in the state that is becoming the good one or in that which it has so far.
func (b *Builder) imported(m *module) bool {
	return len(b.importers(m, next))+len(b.importers(m, good)) > 0
}

// Rebuild takes in changed files (absolute paths; created, written or removed),
// recompiles what they concern and reports to OnResult. Files that are in no module are
// reported as html or asset updates. Changes that no page can see are not reported.
func (b *Builder) Rebuild(ctx context.Context, changed []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := Result{Build: b.build + 1, Began: time.Now(), Files: []string{}}
	err := b.guardBuild(&r, func() {
		dirty, others, files, reload := b.affected(changed)
		if len(files) == 0 || ctx.Err() != nil {
			return
		}
		b.build++
		r.Files, r.Reload = files, reload
		if b.o.OnBuilding != nil {
			b.o.OnBuilding(b.build, files)
		}
		r.Modules = b.discover(dirty)
		if b.closing.Load() {
			return
		}
		r = b.finish(r)
		r.Updates = append(r.Updates, others...) // even if the build failed: a broken script is no reason to withhold a picture
		r.Took = time.Since(r.Began)
		b.report(r)
		if len(dirty) == 1 {
			b.standBy(dirty[0])
		}
	})
	if err != nil {
		b.build = r.Build // it may have panicked before it was counted
	}
	beginCalm()
}

// affected says which modules must be compiled again after a change, what it means for pages beyond
// the module graph, and why they must be loaded anew, if they must.
func (b *Builder) affected(changed []string) (dirty []*module, others []Update, files []string, reload string) {
	set := map[*module]bool{}
	mark := func(ms []*module) {
		for _, m := range ms {
			set[m] = true
		}
	}
	b.resolver.begin()
	var structural, configured, packaged bool
	for _, path := range changed {
		info, err := os.Stat(path)
		exists := err == nil
		if exists && info.IsDir() {
			continue
		}
		ms := b.byFile[path]
		if b.envChanged(path) {
			files = append(files, b.resolver.rel(path))
		}
		if len(ms) == 0 && isEnv(path) {
			continue // no page can have it
		}
		input := b.deps.next.concerns(path)
		visible, inside := b.resolver.url(path)
		if len(ms) == 0 && !input && !inside && !b.isConfig(path) && !b.lookedFor(path) {
			continue
		}
		files = append(files, b.resolver.rel(path))
		mark(ms)
		returned := false
		for _, m := range ms {
			returned = returned || m.gone
			if m.path == path {
				m.gone = !exists
			}
			if m.gone {
				mark(b.importers(m, next))
			}
		}
		if !exists || returned || len(ms) == 0 && !input {
			structural = true
			b.markLookups(path, mark)
		}
		packaged = packaged || input || inNodeModules(path)
		configured = configured || b.isConfig(path)
		if !inside || inNodeModules(path) || b.isConfig(path) {
			continue
		}
		u := Update{Type: updateType(path), Path: visible}
		if !slices.ContainsFunc(ms, func(m *module) bool { return m.kind == kindScript || m.kind.isStyle() }) {
			others = append(others, u)
			b.mix(u.Path, strconv.FormatInt(time.Now().UnixNano(), 36))
		}
	}
	if len(files) > 0 && b.shaken.Swap(false) {
		configured = true
		reload = "something panicked before" // what it was about to tell is lost
	}
	if structural || configured || packaged || len(files) > 1 {
		b.ahead = nil // imports may lead elsewhere
	}
	if structural || configured || packaged {
		b.forget()
	}
	if configured {
		clear(b.configs)
		b.reshaped = true // other files may be read for that now
		b.setJSX(b.detectJSX(b.resolver.dir))
		for _, m := range b.modules {
			set[m] = true
		}
	}
	if packaged || configured {
		b.deps.next = nil // built anew
	}
	for m := range set {
		switch {
		case m.kind == kindRemote:
		case m.kind == kindDependency:
			b.deps.next = nil
		case !m.gone:
			dirty = append(dirty, m)
		case b.wanted[m]:
			// The page that asks for it still, after it was loaded anew, hears that it is not there. Where import.meta.glob
			// gave it, it is not asked for any more.
			delete(b.wanted, m)
			delete(b.entries, m)
			b.reshaped = true
			if !b.selected(m.path) {
				reload = b.resolver.rel(m.path) + " was removed"
			}
		}
	}
	slices.SortFunc(dirty, func(x, y *module) int { return strings.Compare(x.id, y.id) })
	slices.Sort(files)
	return dirty, others, slices.Compact(files), reload
}

// markLookups marks the modules that may import something else now that path came or went.
func (b *Builder) markLookups(path string, mark func([]*module)) {
	for _, key := range lookupKeys(path) {
		mark(b.byLookup[key])
	}
	for _, m := range b.globs {
		if m.selects(path) {
			mark([]*module{m})
		}
	}
	for d := path; ; { // a package that was missing
		up := filepath.Dir(d)
		if up == d {
			return
		}
		d = up
		mark(b.byLookup[d])
	}
}

func (b *Builder) lookedFor(path string) bool {
	found := false
	b.markLookups(path, func(ms []*module) { found = found || len(ms) > 0 })
	return found
}

// importers are the modules that import m in one of their states, those that begin to in the running build left out until it
// is indexed: they are looked at by themselves.
func (b *Builder) importers(m *module, of state) []*module {
	var out []*module
	for _, o := range b.byImport[m.id] {
		if c := of(o); c != nil && b.modules[o.id] == o && slices.ContainsFunc(c.imports, func(e edge) bool { return e.id == m.id }) {
			out = append(out, o)
		}
	}
	return out
}

// updateType says what a file that is in no module is to a page.
func updateType(path string) UpdateType {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".html", ".htm":
		return HTML
	case ".css":
		return CSS
	}
	return Asset
}

// Resource answers what lies under the URL prefix _devserve/build/ (rest is the escaped path
// that follows it):
//
//	map?id=ID                        source map of a bundle; with of=lazy, of what import() of a module got
//	lazy?id=ID&from=ID…              what import() of a module needs beyond what runs already
//	file/HASH/NAME                   a file outside Dir that modules import
//	places?at=URL:LINE:COLUMN…       where that is in the sources, as JSON: [Place, …]
//	update/BUILD                     an update's modules, as a script
//	update-map?build=BUILD&id=ID     source map of one of them; of the script without an id
func (b *Builder) Resource(ctx context.Context, rest string, query url.Values) (Output, error) {
	what, name, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	if err != nil {
		return Output{}, ErrNotFound
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch what {
	case "map":
		return b.mapOf(query.Get("id"), query.Get("of"))
	case "lazy":
		return b.lazyModule(query.Get("id"), query["from"], query.Get("build"))
	case "file":
		return b.outsideFile(name)
	case "places":
		return b.places(query["at"]), nil
	case "update":
		return b.updateScript(name)
	case "update-map":
		return b.updateMap(query.Get("build"), query.Get("id"))
	}
	return Output{}, ErrNotFound
}

// resource is the URL of one of ours that is about the module with an ID.
func (b *Builder) resource(what, id string) string {
	return b.resolver.base + resourcePrefix + what + "?id=" + url.QueryEscape(id)
}

func (b *Builder) mapOf(id, of string) (Output, error) {
	kinds := []string{"script", "worker", "style"}
	if of == "lazy" {
		kinds = []string{of}
	}
	for _, what := range kinds {
		if out := b.bundles[what+" "+id]; out != nil {
			return b.sourceMap(out), nil
		}
	}
	return Output{}, ErrNotFound
}

// lazyModule answers import(): the module and what it needs beyond what a page that runs from has. If modules import
// something else since the page's build, what it has is not known.
func (b *Builder) lazyModule(id string, from []string, build string) (Output, error) {
	m := b.lookup(id)
	if m == nil {
		t, ok := b.learned[id]
		if ok && t.namespace == "" && t.kind != kindRemote {
			ok = regular(t.path) == nil
		}
		if !ok {
			return Output{}, fmt.Errorf("%w: %s", ErrNotFound, id)
		}
		m = b.add(t)
	}
	if err := b.want(m, false); err != nil {
		return Output{}, err
	}
	if m.good == nil {
		text := "throw new Error(" + quote("[devserve] "+b.failure(m)) + ");\n"
		return Output{Body: []byte(text), ETag: etag([]byte(text)), ContentType: scriptType}, nil
	}
	if n, err := strconv.ParseInt(build, 10, 64); err != nil || n < b.rewired {
		from = nil
	}
	var roots []*module
	for _, id := range from {
		if r := b.modules[id]; r != nil {
			roots = append(roots, r)
		}
	}
	out := b.lazy(m, roots)
	b.bundles["lazy "+m.id] = out
	return out.Output, nil
}

func (b *Builder) outsideFile(name string) (Output, error) {
	b.learnMu.Lock()
	path := b.outside[name]
	b.learnMu.Unlock()
	if path == "" {
		return Output{}, ErrNotFound
	}
	data, err := readRegular(path)
	if err != nil {
		return Output{}, fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return Output{Body: data, ETag: etag(data), ContentType: assets[strings.ToLower(filepath.Ext(path))]}, nil
}

// styleSheet is what a <link> gets.
func (b *Builder) styleSheet(m *module) *bundle {
	out := &bundle{version: b.version}
	if m.good != nil {
		out.sections = []section{{module: m, compiled: m.good}}
		out.Body = fmt.Appendf(slices.Clip(m.good.style), "/*# sourceMappingURL=%s */\n", b.resource("map", m.id))
	} else {
		out.Body, _ = os.ReadFile(m.path) // a browser makes more of a broken style sheet than of none
	}
	out.ContentType = "text/css; charset=utf-8"
	out.ETag = etag(out.Body)
	return out
}

// Inputs lists the files outside Dir, or in its node_modules, that the module graph
// has read, and where it has looked for more: what should be watched beside Dir. Absolute paths. It may be called
// from OnResult.
func (b *Builder) Inputs() (read, looked []string) {
	b.inputsMu.Lock()
	defer b.inputsMu.Unlock()
	return b.inputs.read, b.inputs.looked
}

// saveInputs computes what Inputs returns.
func (b *Builder) saveInputs() {
	var read, looked []string
	beside := func(path string) bool {
		_, inside := b.resolver.url(path)
		return !inside || inNodeModules(path)
	}
	for path := range b.byFile {
		if beside(path) {
			read = append(read, path)
		}
	}
	for path := range b.byLookup {
		if beside(path) {
			looked = append(looked, path)
		}
	}
	if d := b.deps.next; d != nil {
		read, looked = append(read, d.inputs...), append(looked, d.looked...)
	}
	b.configFiles = map[string]bool{}
	for _, c := range b.allConfigs() {
		for path, there := range c.files {
			b.configFiles[path] = true
			switch {
			case !beside(path):
			case there:
				read = append(read, path)
			default:
				looked = append(looked, path)
			}
		}
	}
	b.inputsMu.Lock()
	defer b.inputsMu.Unlock()
	b.inputs.read, b.inputs.looked = read, looked
}

// Close ends a running build, and waits for what it has begun beside that and for what is being written to CacheDir.
func (b *Builder) Close() error {
	b.closing.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropStandbys()
	b.standing.Wait()
	b.cache.close()
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func containsSorted(s []string, v string) bool {
	_, ok := slices.BinarySearch(s, v)
	return ok
}
