package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
)

// Each source module is an entry point of its own: esbuild is told that every import is
// external, under the module's ID, so what comes out is one module, with TypeScript and
// JSX gone, its imports as require calls, tsconfig and package.json honoured. That makes a
// change cost one module, however many the site has.

// wave is how many entry points one call of esbuild gets: enough to keep every core busy, few
// enough that discovery of what they import overlaps with compiling (measured: 64).
const wave = 64

// recallWave is how many are looked for in the cache at once. Resolving what they import takes a session of esbuild.
const recallWave = 16 * wave

// target_ keeps what every browser of the last two years runs, and lowers what they do not
// (decorators, using).
const target_ = api.ES2023

const (
	pluginName = "devserve"

	// entryNamespace holds the JavaScript side of CSS modules, styleModuleNamespace their
	// CSS under a name with a hash: esbuild makes class names of a file's base name alone, so that
	// two files of the same name would collide.
	entryNamespace       = "devserve-class-map"
	styleModuleNamespace = "devserve-style"

	// lazyPrefix marks the ID in what import() became: require("lazy:/src/page.ts").
	lazyPrefix = "lazy:"
)

// A result is what compiling a module gave: compiled, or errors.
type result struct {
	compiled *compiled
	errors   []Diagnostic
	looked   []string // on errors: where files would make its imports resolve
}

// compile compiles modules, in waves, and returns what became of each.
func (b *Builder) compile(ms []*module) map[*module]result {
	return b.compileAll(ms, api.SourceMapNone)
}

// compileAll is compile, with or without source maps.
func (b *Builder) compileAll(ms []*module, maps api.SourceMap) map[*module]result {
	out := make(map[*module]result, len(ms))
	var rest []*module
	for _, m := range ms {
		switch m.kind {
		case kindScript, kindStyle, kindStyleModule:
			rest = append(rest, m)
		default:
			out[m] = b.compileData(m)
		}
	}
	for part := range slices.Chunk(rest, wave) {
		b.compileWave(part, maps, out)
	}
	return out
}

// compileWave compiles up to a wave of scripts and styles. One broken file makes esbuild give
// no output at all, so those that it names are taken out and the others tried again.
func (b *Builder) compileWave(ms []*module, maps api.SourceMap, out map[*module]result) {
	for len(ms) > 0 {
		w, built := b.call(ms, maps)
		if len(built.Errors) == 0 {
			again := w.collect(built, out)
			if len(again) == 0 {
				return
			}
			// A glob import pulled in files that are entry points of this wave too: apart, they are not.
			for _, m := range again {
				b.compileWave([]*module{m}, maps, out)
			}
			return
		}
		if slices.ContainsFunc(built.Errors, func(e api.Message) bool { return e.Location != nil && b.isConfig(b.resolver.abs(e.Location.File)) }) {
			for _, m := range ms { // what tells how to compile them is broken, for all of them
				out[m] = w.failed(m, built.Errors)
			}
			return
		}
		blamed := w.blame(built.Errors)
		if len(blamed) == 0 {
			if len(ms) == 1 {
				out[ms[0]] = w.failed(ms[0], built.Errors)
				return
			}
			for _, m := range ms { // an error without a place: ask one by one
				b.compileWave([]*module{m}, maps, out)
			}
			return
		}
		for m, messages := range blamed {
			if onlyTopLevelAwait(messages) {
				out[m] = b.compileAsync(m, maps)
			} else {
				out[m] = w.failed(m, messages)
			}
		}
		ms = slices.DeleteFunc(slices.Clone(ms), func(m *module) bool { return blamed[m] != nil })
	}
}

// call has esbuild compile ms.
func (b *Builder) call(ms []*module, maps api.SourceMap) (*waveBuild, api.BuildResult) {
	if len(ms) == 1 && maps == api.SourceMapNone {
		if s := b.takeStandby(ms[0]); s != nil {
			return s.w, s.result()
		}
	}
	w := b.newWave(ms, maps)
	return w, b.esbuild(w.options(api.FormatCommonJS))
}

// A waveBuild is one call of esbuild: its entry points, and what its plugin saw.
type waveBuild struct {
	b    *Builder
	ms   []*module
	maps api.SourceMap

	byPath map[string]*module // entry points that are files

	gate    chan struct{} // if not nil, no entry point is read before it is closed; see standby
	waiting atomic.Bool   // for that
	dropped atomic.Bool

	mu         sync.Mutex
	imports    map[string][]edge // by importing path
	looked     map[string][]string
	unresolved map[string]bool
	styles     []string          // where files would mend the imports of style sheets, of all of them
	stubs      map[string]target // files that a glob import found, by path

	tails      map[*module][]byte // see resolver.globs
	selections map[*module][]selection
}

func (b *Builder) newWave(ms []*module, maps api.SourceMap) *waveBuild {
	w := &waveBuild{b: b, ms: ms, maps: maps, byPath: map[string]*module{}, imports: map[string][]edge{}, looked: map[string][]string{}, unresolved: map[string]bool{}, stubs: map[string]target{}, tails: map[*module][]byte{}, selections: map[*module][]selection{}}
	for _, m := range ms {
		if m.namespace == "" {
			w.byPath[m.path] = m
		}
	}
	return w
}

func (w *waveBuild) options(format api.Format) api.BuildOptions {
	points := make([]api.EntryPoint, len(w.ms))
	for i, m := range w.ms {
		points[i] = api.EntryPoint{InputPath: m.path, OutputPath: strconv.Itoa(i)}
		if m.namespace != "" || m.kind == kindStyleModule {
			points[i].InputPath = pluginName + ":" + strconv.Itoa(i)
		}
	}
	o := w.b.baseOptions()
	o.EntryPointsAdvanced = points
	o.Format = format
	o.Metafile = true
	o.Define["import.meta.glob"] = globWord
	o.Sourcemap = w.maps
	o.Supported = map[string]bool{"dynamic-import": format != api.FormatCommonJS}
	o.Plugins = append([]api.Plugin{{Name: pluginName, Setup: w.setup}}, w.b.o.Plugins...)
	return o
}

// baseOptions are the options that every call of esbuild shares.
func (b *Builder) baseOptions() api.BuildOptions {
	define := map[string]string{
		"import.meta":          "__import_meta",
		"process.env.NODE_ENV": `"development"`,
	}
	maps.Copy(define, b.o.Define)
	loaders := map[string]api.Loader{".js": api.LoaderJSX}
	for ext := range assets {
		loaders[ext] = api.LoaderEmpty // they are external wherever they count; see plugin
	}
	return api.BuildOptions{
		AbsWorkingDir:   b.resolver.dir,
		Bundle:          true,
		Charset:         api.CharsetUTF8,
		Conditions:      []string{"development", "module"},
		Define:          define,
		JSX:             b.jsx.mode,
		JSXDev:          b.jsx.dev,
		JSXImportSource: b.jsx.source,
		LegalComments:   api.LegalCommentsInline,
		Loader:          loaders,
		LogLevel:        api.LogLevelSilent,
		LogLimit:        0,
		LogOverride: map[string]api.LogLevel{
			"css-syntax-error":         api.LogLevelError, // the page would be broken, silently
			"empty-import-meta":        api.LogLevelSilent,
			"direct-eval":              api.LogLevelSilent,
			"commonjs-variable-in-esm": api.LogLevelSilent,
		},
		Outdir:   b.resolver.dir, // so that the sources of source maps are relative to it
		Platform: api.PlatformBrowser,
		Target:   target_,
		Write:    false,
	}
}

// setup is the plugin that makes every import external.
func (w *waveBuild) setup(pb api.PluginBuild) {
	pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, ok := args.PluginData.(ours); ok {
			return api.OnResolveResult{}, nil
		}
		switch args.Kind {
		case api.ResolveEntryPoint:
			i, err := strconv.Atoi(strings.TrimPrefix(args.Path, pluginName+":"))
			if err != nil || i >= len(w.ms) {
				return api.OnResolveResult{}, nil // a file: what esbuild resolves itself has its tsconfig.json and package.json
			}
			m := w.ms[i]
			if m.kind == kindStyleModule {
				return api.OnResolveResult{Path: w.b.resolver.rel(m.path), Namespace: entryNamespace}, nil
			}
			return api.OnResolveResult{Path: m.path, Namespace: m.namespace}, nil
		case api.ResolveCSSImportRule, api.ResolveCSSComposesFrom, api.ResolveCSSURLToken:
			w.recordStyle(args)
			return w.b.resolveStyle(pb, args)
		}
		if args.Namespace == entryNamespace {
			return api.OnResolveResult{Path: virtualStyleModule(args.Importer), Namespace: styleModuleNamespace}, nil
		}
		if t, ok := w.stub(args.Importer); ok { // the stub's own require
			return api.OnResolveResult{Path: lazyPrefix + t.id, External: true}, nil
		}
		t, ok := w.b.resolver.resolve(pb, args)
		w.record(args, t, ok)
		if !ok {
			return api.OnResolveResult{}, nil // esbuild's own resolver says what is wrong
		}
		if err := w.b.resolver.refuse(t, args.Path); err != nil {
			return api.OnResolveResult{}, err
		}
		path := t.id
		if args.Kind == api.ResolveJSDynamicImport {
			path = lazyPrefix + t.id
		}
		return api.OnResolveResult{Path: path, External: true}, nil
	})

	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: entryNamespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		if err := w.pass(); err != nil {
			return api.OnLoadResult{}, err
		}
		contents := `import map from "css"; __classMap(map)`
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: styleModuleNamespace}, w.b.loadStyleModule)

	// Any other script or asset that esbuild wants to load was found by a glob import, import(`./pages/${name}.ts`),
	// which asks no plugin: it becomes a lazy import of the module.
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		if m := w.byPath[args.Path]; m != nil {
			if err := w.pass(); err != nil {
				return api.OnLoadResult{}, err
			}
			data, err := w.b.source(args.Path)
			if err == nil {
				tail, wrong := w.globs(m, data)
				if len(w.b.o.Plugins) > 0 && tail == nil && wrong == nil {
					return api.OnLoadResult{}, nil // a plugin may want to load it
				}
				contents := string(data) + string(tail)
				return api.OnLoadResult{Contents: &contents, Loader: api.LoaderDefault, Errors: wrong}, nil
			}
			if !errors.Is(err, errNoFile) {
				return api.OnLoadResult{}, nil // esbuild says what is wrong
			}
		}
		if errors.Is(regular(args.Path), errNoFile) {
			return api.OnLoadResult{}, fmt.Errorf("%s is no regular file", w.b.resolver.rel(args.Path))
		}
		if w.byPath[args.Path] != nil || kindOf(args.Path).isStyle() {
			return api.OnLoadResult{}, nil
		}
		t := w.b.resolver.target(args.Path, "")
		w.mu.Lock()
		w.stubs[args.Path] = t
		w.mu.Unlock()
		contents := `export function then(resolve, reject) { import("module").then(resolve, reject) }` // what import() gives is awaited
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
	})
}

// globs returns what comes after the source of m, and notes which files that stands for.
func (w *waveBuild) globs(m *module, source []byte) (tail []byte, wrong []api.Message) {
	if m.kind != kindScript {
		return nil, nil
	}
	tail, selections, wrong := w.b.resolver.globs(source, m.path)
	if tail != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tails[m] = tail
		w.selections[m] = selections
	}
	return tail, wrong
}

func (w *waveBuild) stub(path string) (target, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.stubs[path]
	return t, ok
}

// record notes an import of a module, and where files would make it mean something else.
func (w *waveBuild) record(args api.OnResolveArgs, t target, ok bool) {
	importer := args.Importer
	if args.Namespace != "file" {
		importer = args.Namespace + ":" + importer
	}
	spec, _ := splitQuery(args.Path)
	w.mu.Lock()
	defer w.mu.Unlock()
	if isRelative(spec) {
		w.looked[importer] = append(w.looked[importer], lookupKeysOf(filepath.Join(args.ResolveDir, spec))...)
	} else if !ok {
		w.looked[importer] = append(w.looked[importer], missingPackage(args.ResolveDir, spec)...)
	}
	if !ok {
		w.unresolved[importer] = true
		return
	}
	w.b.learn(t)
	e := edge{spec: args.Path, id: t.id, lazy: args.Kind == api.ResolveJSDynamicImport, require: args.Kind == api.ResolveJSRequireCall}
	if !slices.Contains(w.imports[importer], e) {
		w.imports[importer] = append(w.imports[importer], e)
	}
}

// recordStyle notes where a style sheet looks for a file. A sheet is bundled with what it imports, and which of them
// belongs to which entry is not known before they are all there.
func (w *waveBuild) recordStyle(args api.OnResolveArgs) {
	spec, _ := splitQuery(args.Path)
	if isRemote(spec) || strings.HasPrefix(spec, "data:") || strings.HasPrefix(spec, "#") {
		return
	}
	looked := []string{filepath.Join(args.ResolveDir, filepath.FromSlash(spec))}
	switch {
	case strings.HasPrefix(spec, "/"):
		looked = []string{filepath.Join(w.b.resolver.dir, spec), filepath.Join(w.b.resolver.dir, "public", spec)}
	case !isRelative(spec):
		looked = append(looked, missingPackage(args.ResolveDir, spec)...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.styles = append(w.styles, looked...)
}

// metafile is what we read of esbuild's.
type metafile struct {
	Inputs map[string]struct {
		Format  string       `json:"format"`
		Imports []metaImport `json:"imports"`
	} `json:"inputs"`
	Outputs map[string]struct {
		Inputs     map[string]struct{} `json:"inputs"`
		Imports    []metaImport        `json:"imports"`
		EntryPoint string              `json:"entryPoint"`
		CSSBundle  string              `json:"cssBundle"`
	} `json:"outputs"`
}

type metaImport struct {
	Path     string `json:"path"`
	Kind     string `json:"kind"`
	External bool   `json:"external"`
}

// collect turns a good build's outputs into compiled modules. It returns those that must be compiled apart.
func (w *waveBuild) collect(built api.BuildResult, out map[*module]result) (again []*module) {
	var meta metafile
	if err := json.Unmarshal([]byte(built.Metafile), &meta); err != nil {
		panic(fmt.Sprintf("builder: esbuild's metafile: %v", err)) // it is esbuild's own JSON
	}
	files := map[string][]byte{}
	for _, f := range built.OutputFiles {
		files[filepath.Base(f.Path)] = f.Contents
	}
	warnings := map[string][]Diagnostic{}
	for _, d := range w.b.diagnostics(built.Warnings) {
		warnings[d.File] = append(warnings[d.File], d)
	}
	results := make([]result, len(w.ms))
	for i, m := range w.ms {
		name := strconv.Itoa(i)
		c := &compiled{}
		self := w.b.inputName(m)
		for _, ext := range []string{".js", ".css"} {
			for input := range meta.Outputs[name+ext].Inputs {
				if input == self || strings.HasPrefix(input, entryNamespace+":") {
					continue
				}
				if rest, ok := strings.CutPrefix(input, styleModuleNamespace+":"); ok {
					input = realStyleModule(rest)
				}
				path := w.b.resolver.abs(input)
				if t, ok := w.stubs[path]; ok {
					c.imports = append(c.imports, edge{spec: input, id: t.id, lazy: true})
					w.b.learn(t)
				} else if ext == ".css" {
					if path != m.path {
						c.inputs = append(c.inputs, path)
					}
				} else if w.byPath[path] != nil && w.byPath[path] != m {
					again = append(again, m)
				}
				c.warnings = append(c.warnings, warnings[w.b.resolver.rel(path)]...)
			}
		}
		slices.Sort(c.inputs)
		slices.SortFunc(c.imports, func(x, y edge) int { return strings.Compare(x.id, y.id) })
		c.warnings = append(c.warnings, warnings[self]...)
		key := w.key(m)
		c.imports = append(w.imports[key], c.imports...)
		c.looked, c.unresolved = w.looked[key], w.unresolved[key]
		c.tail, c.globs = w.tails[m], w.selections[m]
		c.esm = meta.Inputs[self].Format != "cjs"
		results[i].compiled = c
	}
	inParallel(len(w.ms), func(i int) {
		results[i] = w.finish(w.ms[i], results[i].compiled, strconv.Itoa(i), files)
	})
	for i, m := range w.ms {
		out[m] = results[i]
	}
	return again
}

// inParallel calls do with each number below n, from as many goroutines as there are cores. It panics if one of them does.
func inParallel(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Pointer[panicked]
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					failed.Store(&panicked{v, debug.Stack()})
				}
			}()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
	if p := failed.Load(); p != nil {
		panic(p)
	}
}

// finish makes a compiled module of what esbuild has made of m, among files under name.
func (w *waveBuild) finish(m *module, c *compiled, name string, files map[string][]byte) result {
	if m.kind != kindScript {
		c.esm = true
		finishStyle(c, files[name+".js"], files[name+".css"], files[name+".css.map"])
		return result{compiled: c}
	}
	if !c.esm {
		if sloppy := w.b.sloppy(m); len(sloppy) > 0 {
			return w.failed(m, sloppy)
		}
	}
	w.b.finishScript(m, c, files[name+".js"], files[name+".js.map"])
	return result{compiled: c}
}

// inputName is how esbuild names the file of m.
func (b *Builder) inputName(m *module) string {
	if m.namespace != "" {
		return m.namespace + ":" + m.path
	}
	return b.resolver.rel(m.path)
}

// failed is the result of a module with errors.
func (w *waveBuild) failed(m *module, messages []api.Message) result {
	errs := w.b.diagnostics(messages)
	for i := range errs {
		if errs[i].File == "" {
			errs[i].File = w.b.resolver.rel(m.path)
		}
	}
	looked := w.looked[w.key(m)]
	if m.kind.isStyle() {
		looked = w.styles
	}
	return result{errors: errs, looked: looked}
}

// key is under what the plugin notes the imports of m.
func (w *waveBuild) key(m *module) string {
	if m.namespace != "" {
		return m.namespace + ":" + m.path
	}
	return m.path
}

// blame sorts errors by the entry points whose files they name.
func (w *waveBuild) blame(messages []api.Message) map[*module][]api.Message {
	blamed := map[*module][]api.Message{}
	for _, msg := range messages {
		if msg.Location == nil {
			continue
		}
		path := w.b.resolver.abs(w.b.file(msg.Location))
		if m := w.byPath[path]; m != nil {
			blamed[m] = append(blamed[m], msg)
			continue
		}
		for _, m := range w.ms {
			if m.namespace != "" && msg.Location.File == m.namespace+":"+m.path {
				blamed[m] = append(blamed[m], msg)
			}
		}
	}
	return blamed
}

// finishScript makes a factory of esbuild's output.
func (b *Builder) finishScript(m *module, c *compiled, code, smap []byte) {
	code, c.dropped = cutHelpers(code)
	c.smap = smap
	own := sectionOf(code, b.inputName(m))
	c.exports, c.reExports = scanExports(own)
	c.uses = scanUses(code)
	prelude := ""
	if object := exportsObject(own); c.esm && (object == "" || !bytes.Contains(own, []byte("\nmodule.exports = __toCommonJS("+object+");\n"))) {
		prelude = noExports
	}
	code = mend(code)
	c.code = factory(append(slices.Clip(code), b.componentsOf(m, code)...), c.esm, prelude)
	c.seal()
}

// noExports marks an ES module that exports nothing as one, which esbuild leaves out.
const noExports = "module.link(module.exports, {});"

// relativePath is one as all that stands in parentheses.
var relativePath = regexp.MustCompile(`^"\.\.?/[^"\\]*"\)`)

// mend changes what esbuild prints and no browser takes. A line #! is the first one no more. And import() of an expression
// became a function that runs later,
//
//	Promise.resolve().then(() => __toESM(require(await name())))
//
// in which the expression means something else, or is no JavaScript at all. What is named by a path, and not by an ID, is not
// there, and comes with another build: a page that asked for it by itself would see half a change. Lines and columns stay.
func mend(code []byte) []byte {
	const before, after = "Promise.resolve().then(() => __toESM(require(", `(__toESM(require("import:", `
	const absent = `Promise.resolve().then(()=>(require("none:", `
	if bytes.HasPrefix(code, []byte("#!")) {
		copy(code, "//")
	}
	var out []byte
	for {
		head, tail, found := bytes.Cut(code, []byte(before))
		if !found && out == nil {
			return code
		}
		out = append(out, head...)
		if !found {
			return out
		}
		switch {
		case len(tail) > 0 && bytes.HasPrefix(tail[1:], []byte(lazyPrefix)):
			out = append(out, before...)
		case relativePath.Match(tail):
			out = append(out, absent...)
		default:
			out = fmt.Appendf(out, "%-*s", len(before), after)
		}
		code = tail
	}
}

// sloppy returns what is wrong with a CommonJS module in strict mode: a bundle is a module, whose code is strict, and a
// browser would refuse all of it.
func (b *Builder) sloppy(m *module) []api.Message {
	const why = ` with the "esm" output format due to strict mode`
	var out []api.Message
	for _, e := range b.esbuild(b.newWave([]*module{m}, api.SourceMapNone).options(api.FormatESModule)).Errors {
		if text, ok := strings.CutSuffix(e.Text, why); ok {
			e.Text = text + ": the code of a page's bundle is strict"
			out = append(out, e)
		}
	}
	return out
}

// factory wraps a module's code into the function that the registry runs. The code starts on the
// second line.
func factory(code []byte, strict bool, prelude string) []byte {
	var buf bytes.Buffer
	buf.Grow(len(code) + len(prelude) + 100)
	if strict {
		buf.WriteString(`function(module, __exports, require, __import_meta) {"use strict";`)
	} else {
		buf.WriteString("function(module, exports, require, __import_meta) {")
	}
	buf.WriteString(prelude)
	buf.WriteByte('\n')
	buf.Write(code)
	buf.WriteString("}")
	return buf.Bytes()
}

// seal hashes what a page would see of c.
func (c *compiled) seal() {
	c.accepts = bytes.Contains(c.code, []byte("accept"))
	c.acceptsExports = c.accepts && bytes.Contains(c.code, []byte("acceptExports"))
	h := sha256.New()
	h.Write(c.code)
	c.hash = hex.EncodeToString(h.Sum(nil)[:8])
	if c.style != nil {
		sum := sha256.Sum256(c.style)
		c.styleHash = hex.EncodeToString(sum[:8])
	}
}

// compileData makes a module of a file that esbuild need not see, or not as a module.
func (b *Builder) compileData(m *module) result {
	if m.kind == kindRemote || m.kind == kindDependency {
		c := &compiled{} // the page imports the one, the dependency bundle holds the other
		c.seal()
		return result{compiled: c}
	}
	if err := b.resolver.secret(m.kind, m.path); err != nil {
		return result{errors: []Diagnostic{readError(b.resolver.rel(m.path), err)}}
	}
	if m.kind == kindURL || m.kind == kindWorker {
		return b.compileURL(m)
	}
	if m.kind == kindInline && kindOf(m.path).isStyle() {
		return b.compileInlineStyle(m)
	}
	data, err := readRegular(m.path)
	if err != nil {
		return result{errors: []Diagnostic{readError(b.resolver.rel(m.path), err)}}
	}
	c := &compiled{}
	switch m.kind {
	case kindJSON:
		checked := api.Transform(string(data), api.TransformOptions{Loader: api.LoaderJSON, Sourcefile: b.resolver.rel(m.path), LogLevel: api.LogLevelSilent})
		if len(checked.Errors) > 0 {
			return result{errors: b.diagnostics(checked.Errors)}
		}
		c.warnings = b.diagnostics(checked.Warnings)
		// Not a literal: JSON.parse is faster on long texts, and "__proto__" is a key like any other.
		code := "module.exports = JSON.parse(" + quote(string(data)) + ");\n"
		if bytes.Contains(data, []byte("__esModule")) { // or a bundler's interop would believe it
			code = "var json = JSON.parse(" + quote(string(data)) + ");\nmodule.link(module.exports, { default: () => json });\n"
		}
		c.code = factory([]byte(code), true, "")
	case kindText:
		c.code = factory([]byte("module.exports = "+quote(string(data))+";\n"), true, "")
	case kindInline:
		c.code = factory([]byte("module.exports = "+quote(dataURL(m.path, data))+";\n"), true, "")
	}
	c.seal()
	return result{compiled: c}
}

// compileInlineStyle makes a module of the text of a style sheet, bundled with what it imports.
func (b *Builder) compileInlineStyle(m *module) result {
	sheet := &module{id: m.id, path: m.path, kind: kindOf(m.path)}
	r := b.compile([]*module{sheet})[sheet]
	if c := r.compiled; c != nil {
		c.code = factory([]byte("module.exports = "+quote(string(c.style))+";\n"), true, "")
		c.style, c.styleHash, c.exports, c.esm = nil, "", nil, false
		c.seal()
	}
	return r
}

// compileURL makes a module of a file's URL.
func (b *Builder) compileURL(m *module) result {
	if _, err := os.Stat(m.path); err != nil {
		return result{errors: []Diagnostic{readError(b.resolver.rel(m.path), err)}}
	}
	u := b.assetURL(m.path)
	c := &compiled{}
	if m.kind == kindWorker {
		c.code = factory(fmt.Appendf(nil, "module.exports = function(options) { return new Worker(%s, { type: \"module\", ...options }); };\n", quote(u)), true, "")
	} else {
		c.code = factory([]byte("module.exports = "+quote(u)+";\n"), true, "")
	}
	c.seal()
	return result{compiled: c}
}

// assetURL is where a page finds the file at path: its own URL inside the site, one of ours outside, and a name with a hash
// in a release.
func (b *Builder) assetURL(path string) string {
	if b.releasing != nil {
		return b.releasing.url(b.releasing.asset(path))
	}
	if u, ok := b.resolver.url(path); ok {
		return u
	}
	sum := sha256.Sum256([]byte(path))
	name := hex.EncodeToString(sum[:8]) + "/" + filepath.Base(path)
	b.learnMu.Lock()
	b.outside[name] = path
	b.learnMu.Unlock()
	return b.resolver.base + resourcePrefix + "file/" + (&url.URL{Path: name}).EscapedPath()
}

func dataURL(path string, data []byte) string {
	mime := assets[strings.ToLower(filepath.Ext(path))]
	if mime == "" {
		mime = "text/plain"
	}
	return "data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(data)
}

// quote makes a JavaScript string literal of s. Bytes that are no UTF-8 become U+FFFD, as in a browser.
func quote(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	var out strings.Builder
	e := json.NewEncoder(&out) // U+2028 and U+2029 are escaped
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings always encode
	return strings.TrimSuffix(out.String(), "\n")
}

// source returns what the file at path holds, which a running build reads once.
func (b *Builder) source(path string) ([]byte, error) {
	b.sourcesMu.Lock()
	data, ok := b.sources[path]
	b.sourcesMu.Unlock()
	if ok {
		return data, nil
	}
	data, err := readRegular(path)
	if err == nil {
		b.sourcesMu.Lock()
		if b.sources != nil {
			b.sources[path] = data
		}
		b.sourcesMu.Unlock()
	}
	return data, err
}

// readError is the diagnostic of a file that could not be read.
func readError(rel string, err error) Diagnostic {
	text := err.Error()
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		text = pathError.Err.Error()
	}
	return Diagnostic{Source: "esbuild", Text: fmt.Sprintf("Could not read %q: %s", rel, text), File: rel}
}
