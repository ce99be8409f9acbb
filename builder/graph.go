package builder

import (
	"path/filepath"
	"slices"
	"strings"
)

// kind says how a module is compiled.
type kind uint8

const (
	kindScript      kind = iota // js, ts, jsx, tsx: compiled by esbuild, one registry entry each
	kindStyle                   // css: bundled by esbuild with its @imports
	kindStyleModule             // .module.css: the same, and a class map in JavaScript
	kindJSON                    // parsed in the page
	kindText                    // ?raw and .txt: a string
	kindURL                     // assets and ?url: a URL as a string
	kindInline                  // ?inline: a data URL, or the text of a style sheet
	kindWorker                  // ?worker: a constructor
	kindRemote                  // https://…: imported by the page itself
	kindDependency              // scripts in node_modules: part of the dependency bundle
)

func (k kind) isStyle() bool { return k == kindStyle || k == kindStyleModule }

// A module is one file as the page's registry knows it, under an ID that is its URL
// path (inside the site) or its relative path (outside).
//
// It holds two states. next is what the files on disk say; good is what the last
// build without errors handed to the pages. Bundles are made of good alone, so that no
// page ever sees half a change.
type module struct {
	id        string
	path      string // absolute; a URL for kindRemote; may be virtual when namespace is set
	query     string // "?raw", … or ""
	namespace string // of a plugin's virtual module; "" for files
	kind      kind

	next, good *compiled
	errors     []Diagnostic // of the last compile; next is then the one before
	looked     []string     // what a failed compile looked for; see compiled.looked
	key        string       // of the cache, of the content that was compiled last; "" for what is not kept
	missing    []Diagnostic // names that it imports and nobody exports
	gone       bool         // the file is not there

	mark int // of the last graph walk that came by; see Builder.walk
}

// compiled is what a module's source became.
type compiled struct {
	code           []byte // a function expression: the module's factory
	style          []byte // the style sheet, of styles
	smap           []byte // the source map of code, as esbuild wrote it; nil until it is asked for
	dropped        int    // lines that smap has on top and code has not
	hash           string // of code and what else the page executes; not of style
	styleHash      string
	imports        []edge
	exports        []string // names, of an ES module; those of reExports come on top
	reExports      []string // module IDs of export * from
	uses           []use    // names that are read from imported modules
	esm            bool
	async          bool     // has top-level await
	accepts        bool     // mentions hot.accept
	acceptsExports bool     // mentions hot.acceptExports
	unresolved     bool     // asks for what is not there, and is prepared for that
	inputs         []string // files beside the module's own that went in, absolute
	looked         []string // where files would change how the imports resolve; see lookupKeys
	warnings       []Diagnostic

	targets []*module // those of imports, nil for what is not in the graph; see Builder.targets
	shape   int       // of the graph for which targets were looked up

	globs []selection // files that import.meta.glob means
	tail  []byte      // what came after the source for that; not of what the cache has
}

// An edge is an import of a module.
type edge struct {
	spec string // as written
	id   string
	lazy bool // import()

	require bool // require(), which may resolve to another file than import
}

// A use is a name that a module reads from one that it imports.
type use struct{ id, name string }

// lookup returns the module with that ID, or nil.
func (b *Builder) lookup(id string) *module { return b.modules[id] }

// add returns the module for t, which is new to the graph or not.
func (b *Builder) add(t target) *module {
	if m := b.modules[t.id]; m != nil {
		return m
	}
	m := &module{id: t.id, path: t.path, query: t.query, namespace: t.namespace, kind: t.kind}
	b.modules[t.id] = m
	b.shape++
	return m
}

// targets are the modules that the imports of c lead to, in their order; nil stands for one that is not in the graph. They
// are kept until the graph gets or loses a module: a walk over 10,000 modules takes 0.5 ms, and 5 where each is looked up.
func (b *Builder) targets(c *compiled) []*module {
	if c.shape != b.shape {
		c.targets = slices.Grow(c.targets[:0], len(c.imports))
		for _, e := range c.imports {
			c.targets = append(c.targets, b.modules[e.id])
		}
		c.shape = b.shape
	}
	return c.targets
}

// state picks one of a module's two compiled states.
type state func(*module) *compiled

func good(m *module) *compiled { return m.good }
func next(m *module) *compiled { return m.next }

// walk visits every module that can be reached from roots over static imports, and over
// lazy ones that some page may have, having asked for them or imported them before, when lazy is set. Each is visited once, after the modules that it
// imports, as they are evaluated.
func (b *Builder) walk(roots []*module, of state, lazy bool, visit func(*module)) {
	b.marks++
	mark := b.marks
	type frame struct {
		m *module
		i int
	}
	// Not recursive: generated code makes chains that are longer than a stack should be deep.
	var stack []frame
	push := func(m *module) {
		if m != nil && m.mark != mark {
			m.mark = mark
			stack = append(stack, frame{m: m})
		}
	}
	for _, r := range roots {
		push(r)
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			c := of(top.m)
			if c == nil || top.i == len(c.imports) {
				visit(top.m)
				stack = stack[:len(stack)-1]
				continue
			}
			m, e := b.targets(c)[top.i], &c.imports[top.i]
			top.i++
			if m != nil && (!e.lazy || lazy && (b.wanted[m] || m.good != nil)) {
				push(m)
			}
		}
	}
}

// inUse reports whether a walk over the next state from the roots comes by m. Most modules are but a few imports away from a root,
// while the walk is as long as the site is large.
func (b *Builder) inUse(m *module) bool {
	roots := b.roots()
	seen := map[*module]bool{m: true}
	for stack := []*module{m}; len(stack) > 0; {
		m := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if slices.Contains(roots, m) {
			return true
		}
		for _, o := range b.importers(m, next) {
			leads := slices.ContainsFunc(o.next.imports, func(e edge) bool {
				return e.id == m.id && (!e.lazy || b.wanted[m] || m.good != nil)
			})
			if leads && !seen[o] {
				seen[o] = true
				stack = append(stack, o)
			}
		}
	}
	return false
}

// roots are the modules that pages have asked for by themselves: entry points, and what the running build is for. What import()
// has asked for is reached from those that ask, as long as there are any.
func (b *Builder) roots() []*module {
	roots := make([]*module, 0, len(b.entries)+1)
	for m := range b.entries {
		roots = append(roots, m)
	}
	if b.fresh != nil && !b.entries[b.fresh] {
		roots = append(roots, b.fresh)
	}
	slices.SortFunc(roots, func(x, y *module) int { return strings.Compare(x.id, y.id) })
	return roots
}

// prune forgets the modules that nothing reaches any more, in neither state.
func (b *Builder) prune() {
	first := b.marks
	for _, of := range []state{next, good} {
		b.walk(b.roots(), of, true, func(*module) {})
	}
	for id, m := range b.modules {
		if m.mark <= first {
			delete(b.modules, id)
			b.shape++
			delete(b.wanted, m)
			delete(b.pending, m)
			delete(b.flawed, m)
			delete(b.waiting, m)
			if m.good != nil {
				b.past[id] = true
			}
		}
	}
	b.index()
}

// index rebuilds the maps from files, from places where files would matter, and from what is imported, to modules.
func (b *Builder) index() {
	b.byFile = make(map[string][]*module, len(b.modules))
	b.byLookup = make(map[string][]*module)
	b.byImport = make(map[string][]*module, len(b.modules))
	b.globs = nil
	add := func(to map[string][]*module, key string, m *module) {
		if list := to[key]; len(list) == 0 || list[len(list)-1] != m {
			to[key] = append(list, m)
		}
	}
	for _, m := range b.modules {
		isFile := m.kind != kindRemote && m.namespace == ""
		if isFile {
			add(b.byFile, m.path, m)
			for _, k := range m.looked {
				add(b.byLookup, k, m)
			}
		}
		for _, c := range []*compiled{m.next, m.good} {
			if c == nil {
				continue
			}
			for _, e := range c.imports {
				add(b.byImport, e.id, m)
			}
			if !isFile {
				continue
			}
			if len(c.globs) > 0 && (len(b.globs) == 0 || b.globs[len(b.globs)-1] != m) {
				b.globs = append(b.globs, m)
			}
			for _, f := range c.inputs {
				add(b.byFile, f, m)
			}
			for _, k := range c.looked {
				add(b.byLookup, k, m)
			}
		}
	}
	b.saveInputs()
}

// lookupKeys lists the keys under which modules are found whose imports a file at
// path may resolve to, once it exists or no more: the path, the path without its extension, and its
// directory for an index file or a package.json.
func lookupKeys(path string) []string {
	keys := []string{path}
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	stem := base
	for {
		ext := filepath.Ext(stem)
		if ext == "" || ext == stem {
			break
		}
		stem = strings.TrimSuffix(stem, ext)
		keys = append(keys, filepath.Join(dir, stem))
	}
	if stem == "index" || base == "package.json" {
		keys = append(keys, dir)
	}
	return keys
}

// lookupKeysOf lists the keys of an import that looks for path.
func lookupKeysOf(path string) []string {
	keys := []string{path}
	if ext := filepath.Ext(path); ext != "" {
		keys = append(keys, strings.TrimSuffix(path, ext)) // ./x.js may be x.ts
	}
	return keys
}
