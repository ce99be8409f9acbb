package builder

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// A release is what a web host gets. esbuild bundles the whole site at once, for what splitting, tree shaking and
// minifying bring; what an import means, and what becomes of a style sheet or an asset, is decided as in development, by the
// same resolver, resolveStyle and kindOf.
//
// Two things are not left to esbuild:
//
//   - The style sheets that scripts import. It would join those of modules that are loaded later into the sheet of the page,
//     where they apply too early. So scripts get an empty module in their place, every sheet is compiled by itself, as in
//     development, and they are joined where they are always needed together, in the order in which the modules run; import()
//     waits for the sheets of what it loads (release_lazy.go).
//   - Files named by new URL("./x", import.meta.url), workers among them, of which it knows nothing (release_url.go).

// ReleaseOptions says what [Builder.Release] makes.
type ReleaseOptions struct {
	Entries   []Entry
	Readable  bool // keep names, lines and spaces
	SourceMap bool // one beside every script and style sheet
}

// An Entry is what a page, or a program's template, asks for.
type Entry struct {
	File string // relative to Dir, slash-separated
	Use  EntryUse
	Code string // the script's own code if it has no file; it then stands in the page File
}

// EntryUse says what an entry is wanted for.
type EntryUse uint8

const (
	EntryModule EntryUse = iota // <script type="module">: shares chunks with others
	EntryScript                 // a script that is no module, or a worker: one file
	EntryStyle                  // a style sheet with all that it imports
	EntryAsset                  // the file as it is
)

// A Release is the files of a site, and what they are made of.
type Release struct {
	Files    map[string][]byte // by name, relative to the output folder
	Chunks   []Chunk           // sorted by File
	Made     map[Entry]string  // what each entry became: the File of a chunk
	Errors   []Diagnostic      // not empty: there is nothing else
	Warnings []Diagnostic
}

// A Chunk is a script, a style sheet, or an asset. The lists hold Files of other chunks.
type Chunk struct {
	File    string
	Name    string
	Src     string // what it was made of, relative to Dir; "" for what several entries share
	Entry   bool
	Dynamic bool // asked for by import()

	Imports        []string // by import statements, of this chunk alone
	DynamicImports []string
	Styles         []string // of an entry, or what import() loads: all that must apply before it runs, in order
	Assets         []string
}

// releaseFolder is the folder of all files whose names have a hash of their content.
const releaseFolder = "assets"

const (
	sheetNamespace  = "devserve-sheet"  // what scripts import in the place of a style sheet
	dataNamespace   = "devserve-data"   // a URL, a text
	inlineNamespace = "devserve-inline" // a script that stands in a page
	rootNamespace   = "devserve-root"   // a script by its path from the root of the site, or with a query
	nodeNamespace   = "devserve-node"   // a module of Node's own, empty
)

// Release builds o.Entries for a web host. A failed build is told in Errors; an error means that it was not done. It has
// nothing to do with the module graph and waits for a running build.
func (b *Builder) Release(ctx context.Context, o ReleaseOptions) (*Release, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resolver.forget()
	r := &releasing{
		b: b, o: o, ctx: ctx, env: b.env("production"),
		out:    &Release{Files: map[string][]byte{}, Made: map[Entry]string{}},
		assets: map[string]string{}, urls: map[string]string{}, sheets: map[string]*sheet{}, scripts: map[string]string{}, chunks: map[string]*Chunk{},
	}
	b.releasing = r
	defer func() { b.releasing = nil }()

	r.modules()
	for _, e := range o.Entries {
		switch e.Use {
		case EntryScript:
			r.made(e, r.script(r.file(e.File), api.FormatIIFE, true, nil))
		case EntryStyle:
			r.made(e, r.styleFile(r.file(e.File)))
		case EntryAsset:
			r.made(e, r.asset(r.file(e.File)))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, e := range o.Entries {
		if len(r.errors) == 0 && r.out.Made[e] == "" {
			r.fail(api.Message{Text: "Nothing was made of " + e.File + ": a plugin has put something else in its place"})
		}
	}
	r.out.Errors = unique(b.diagnostics(r.errors))
	r.out.Warnings = unique(b.diagnostics(r.warnings))
	if len(r.out.Errors) > 0 {
		r.out.Files, r.out.Made = nil, nil
		return r.out, nil
	}
	for _, name := range sortedKeys(r.chunks) {
		r.out.Chunks = append(r.out.Chunks, *r.chunks[name])
	}
	return r.out, nil
}

// path is the absolute path of a file of the site.
func (b *Builder) path(name string) string {
	return filepath.Join(b.resolver.dir, filepath.FromSlash(name))
}

// file is the absolute path of a file of the site, under the name that esbuild knows it by.
func (r *releasing) file(name string) string {
	path := r.b.path(name)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// unique sorts ds, which come from builds side by side, and drops what several importers were told alike.
func unique(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Text, b.Text))
	})
	seen := map[string]bool{}
	return slices.DeleteFunc(ds, func(d Diagnostic) bool {
		key := fmt.Sprint(d.File, d.Line, d.Column, d.Text)
		was := seen[key]
		seen[key] = true
		return was
	})
}

// releasing is a release that is being built. esbuild calls back from many goroutines.
type releasing struct {
	b   *Builder
	o   ReleaseOptions
	ctx context.Context
	env map[string]any // what import.meta.env shows

	mu       sync.Mutex // guards what follows
	out      *Release
	assets   map[string]string // names of files that are emitted as they are, by path
	urls     map[string]string // and by their URLs
	sheets   map[string]*sheet // by path
	scripts  map[string]string // names of scripts of one file, by format and path
	chunks   map[string]*Chunk // by name
	errors   []api.Message
	warnings []api.Message
}

func (r *releasing) fail(messages ...api.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, messages...)
}

func (r *releasing) warn(messages ...api.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, messages...)
}

func (r *releasing) made(e Entry, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Made[e] = name
	if c := r.chunks[name]; c != nil && e.Use != EntryAsset {
		c.Entry = true
	}
}

// emit adds a file whose name tells its content, and a chunk for it if it is new.
func (r *releasing) emit(stem, ext string, data []byte, c Chunk) string {
	c.File = releaseFolder + "/" + hashed(stem, data) + ext
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Files[c.File] = data
	if r.chunks[c.File] == nil {
		r.chunks[c.File] = &c
	}
	return c.File
}

var unsafeInNames = regexp.MustCompile(`[^\w.~-]+`)

// hashed is a name for data that changes with it.
func hashed(stem string, data []byte) string {
	return unsafeInNames.ReplaceAllString(stem, "_") + "-" + shortHash(data)
}

// shortHash is as long as esbuild's own, and of its letters.
func shortHash(data []byte) string {
	sum := sha256.Sum256(data)
	return base32.StdEncoding.EncodeToString(sum[:5])
}

// asset emits the file at path as it is, or leaves it in public/. It returns its name, or "" if there is none.
func (r *releasing) asset(path string) string {
	r.mu.Lock()
	name, known := r.assets[path]
	r.mu.Unlock()
	if known {
		return name
	}
	rel := r.b.resolver.rel(path)
	name, public := strings.CutPrefix(rel, "public/")
	if !public {
		data, err := readRegular(path)
		if err != nil {
			r.fail(api.Message{Text: readError(rel, err).Text, Location: &api.Location{File: rel}})
			return ""
		}
		base := filepath.Base(path)
		stem := strings.TrimSuffix(base, filepath.Ext(base))
		name = r.emit(stem, strings.ToLower(filepath.Ext(base)), data, Chunk{Src: rel, Name: stem})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.assets[path] = name
	r.urls[r.url(name)] = name
	return name
}

// url is where a page finds a file of the release.
func (r *releasing) url(name string) string {
	return (&url.URL{Path: r.b.resolver.base + name}).EscapedPath()
}

// site finds the file that a URL path from the root of the site names: one of public/ first, with the base in front or not.
func (r *releasing) site(path string) (string, bool) {
	names := []string{path}
	if rest, ok := strings.CutPrefix(path, r.b.resolver.base); ok {
		names = []string{rest, path}
	}
	for _, name := range names {
		for _, in := range []string{"public", "."} {
			if file := filepath.Join(r.b.resolver.dir, in, filepath.FromSlash(name)); regular(file) == nil {
				return file, true
			}
		}
	}
	return "", false
}

// options are those of every call of esbuild for a release.
func (r *releasing) options() api.BuildOptions {
	o := r.b.baseOptions()
	o.Define = map[string]string{
		"import.meta.glob":     globWord,
		"import.meta.hot":      "undefined",
		"module.hot":           "undefined",
		"process.env.NODE_ENV": `"production"`,
		"global":               "globalThis",
	}
	o.Define["import.meta.env"] = envWord
	for name, value := range r.env {
		if identifier.MatchString(name) {
			text, _ := json.Marshal(value) // strings and booleans always marshal
			o.Define["import.meta.env."+name] = string(text)
		}
	}
	maps.Copy(o.Define, r.b.o.Define)
	o.Conditions = []string{"production", "module"}
	o.JSXDev = false
	o.LegalComments = api.LegalCommentsEndOfFile
	o.MinifySyntax = true // or what is only for development stays
	o.MinifyWhitespace = !r.o.Readable
	o.MinifyIdentifiers = !r.o.Readable
	o.Metafile = true
	if r.o.SourceMap {
		o.Sourcemap = api.SourceMapLinked
	}
	o.Outdir = r.b.path(outdir)
	o.EntryNames = releaseFolder + "/[name]-[hash]"
	o.ChunkNames = o.EntryNames
	o.PublicPath = r.b.resolver.base
	return o
}

// envWord stands for import.meta.env where it is more than the name of one value.
const envWord = "__devserve_import_meta_env"

var identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// outdir is where esbuild believes to write to: what source maps say is relative to it.
const outdir = "dist"

// outputName is the name of an output as metafiles and output files have it, relative to the output folder.
func outputName(path string) string {
	if i := strings.LastIndex(filepath.ToSlash(path), outdir+"/"+releaseFolder+"/"); i >= 0 {
		return filepath.ToSlash(path)[i+len(outdir)+1:]
	}
	return filepath.ToSlash(path)
}

// build runs esbuild. An object as the value of a definition is imported by every module, which makes all packages
// larger, so that of import.meta.env is defined only for those who need it.
func (r *releasing) build(o api.BuildOptions) (api.BuildResult, metafile) {
	built := r.run(o)
	if slices.ContainsFunc(built.OutputFiles, func(f api.OutputFile) bool { return bytes.Contains(f.Contents, []byte(envWord)) }) {
		all, _ := json.Marshal(r.env)
		o.Define["import.meta.env"] = string(all)
		built = r.run(o)
	}
	var meta metafile
	if len(built.Errors) == 0 {
		if err := json.Unmarshal([]byte(built.Metafile), &meta); err != nil {
			panic("builder: esbuild's metafile: " + err.Error()) // it is esbuild's own JSON
		}
	}
	return built, meta
}

// run calls esbuild, for as long as the context lasts.
func (r *releasing) run(o api.BuildOptions) api.BuildResult {
	c, err := api.Context(r.b.guarded(o))
	if err != nil {
		return api.BuildResult{Errors: err.Errors}
	}
	defer c.Dispose()
	stop := context.AfterFunc(r.ctx, c.Cancel)
	defer stop()
	if r.ctx.Err() != nil {
		return api.BuildResult{Errors: []api.Message{{Text: "The build was canceled"}}}
	}
	return c.Rebuild()
}

// modules bundles all entries that are modules, which share what they have in common.
func (r *releasing) modules() {
	var entries []Entry
	var points []api.EntryPoint
	for _, e := range r.o.Entries {
		if e.Use != EntryModule {
			continue
		}
		in := r.file(e.File)
		if e.Code != "" {
			in = pluginName + ":" + strconv.Itoa(len(entries))
		}
		entries = append(entries, e)
		points = append(points, api.EntryPoint{InputPath: in, OutputPath: stem(e.File)})
	}
	if len(points) == 0 {
		return
	}
	p := &releasePlugin{releasing: r, entries: entries}
	o := r.options()
	o.EntryPointsAdvanced = points
	o.Format = api.FormatESModule
	o.Splitting = true
	o.Plugins = p.plugins()
	built, meta := r.build(o)
	r.warn(built.Warnings...)
	if len(built.Errors) > 0 {
		r.fail(built.Errors...)
		return
	}
	names := newOutputs(r, built, meta).emit(true, true)
	for i, e := range entries {
		key := r.b.resolver.rel(r.file(e.File))
		if e.Code != "" {
			key = inlineNamespace + ":" + p.inlinePath(i)
		}
		r.made(e, names[key])
	}
}

// script bundles the file at path into one script, for a page or a worker, and returns its name, or "" if that fails.
// chain lists the scripts that are being built because they start each other.
func (r *releasing) script(path string, format api.Format, page bool, chain []string) string {
	key := fmt.Sprint(format, page, path)
	r.mu.Lock()
	name, known := r.scripts[key]
	r.mu.Unlock()
	if known {
		return name
	}
	o := r.options()
	o.EntryPointsAdvanced = []api.EntryPoint{{InputPath: path, OutputPath: stem(path)}}
	o.Format = format
	if format == api.FormatIIFE {
		o.Define["import.meta.url"] = "self.location.href"
	}
	o.Plugins = (&releasePlugin{releasing: r, chain: append(slices.Clip(chain), path)}).plugins()
	built, meta := r.build(o)
	switch {
	case format == api.FormatIIFE && slices.ContainsFunc(built.Errors, func(e api.Message) bool { return strings.Contains(e.Text, `"iife" output format`) }),
		format == api.FormatIIFE && len(built.Errors) == 0 && importsRemote(meta):
		name = r.script(path, api.FormatESModule, page, chain) // top-level await, or import from afar: only modules can
	case len(built.Errors) > 0:
		r.fail(built.Errors...)
	default:
		r.warn(built.Warnings...)
		name = newOutputs(r, built, meta).emit(false, page)[r.b.resolver.rel(path)]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scripts[key] = name
	return name
}

func importsRemote(meta metafile) bool {
	for _, o := range meta.Outputs {
		for _, i := range o.Imports {
			if i.External && isRemote(i.Path) {
				return true
			}
		}
	}
	return false
}

// stem is the name of a file without its folder and extension.
func stem(name string) string {
	base := path.Base(filepath.ToSlash(name))
	return unsafeInNames.ReplaceAllString(cmp.Or(strings.TrimSuffix(base, path.Ext(base)), base), "_")
}

// A releasePlugin tells esbuild what imports mean, during one of its calls.
type releasePlugin struct {
	*releasing
	entries []Entry  // what the virtual entry points are
	chain   []string // see script
}

// plugins are ours around the user's: theirs come first where a file is loaded.
func (p *releasePlugin) plugins() []api.Plugin {
	return slices.Concat([]api.Plugin{{Name: pluginName, Setup: p.resolving}}, p.b.o.Plugins, []api.Plugin{{Name: pluginName, Setup: p.loading}})
}

func (p *releasePlugin) inlinePath(i int) string { return p.entries[i].File + "?" + strconv.Itoa(i) }

func (p *releasePlugin) resolving(pb api.PluginBuild) {
	if p.b.resolver.compat {
		p.b.standInForReact(pb)
	}
	pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, ok := args.PluginData.(ours); ok {
			return api.OnResolveResult{}, nil
		}
		if args.Kind == api.ResolveEntryPoint {
			if i, err := strconv.Atoi(strings.TrimPrefix(args.Path, pluginName+":")); err == nil && i < len(p.entries) {
				return api.OnResolveResult{Path: p.inlinePath(i), Namespace: inlineNamespace, PluginData: p.entries[i]}, nil
			}
			return api.OnResolveResult{}, nil
		}
		return p.resolve(pb, args)
	})
	for namespace, load := range map[string]func(api.OnLoadArgs) (api.OnLoadResult, error){
		sheetNamespace: p.loadSheet, dataNamespace: p.loadData, inlineNamespace: p.loadInline, rootNamespace: p.loadRoot,
		nodeNamespace: func(api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: new(string), Loader: api.LoaderJS}, nil
		},
	} {
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespace}, load)
	}
}

// resolve says what a script imports. What is a script itself is left to esbuild's own resolver, which knows the tsconfig.json
// and package.json that go with it; the other namespaces are ours or the user's plugins'.
func (p *releasePlugin) resolve(pb api.PluginBuild, args api.OnResolveArgs) (api.OnResolveResult, error) {
	t, ok := p.b.resolver.resolve(pb, args)
	switch {
	case !ok && inNodeModules(args.Importer) && nodeModule.MatchString(args.Path):
		return api.OnResolveResult{Path: args.Path, Namespace: nodeNamespace}, nil
	case !ok, t.namespace != "":
		return api.OnResolveResult{}, nil
	}
	if err := p.b.resolver.refuse(t, args.Path); err != nil {
		return api.OnResolveResult{}, err
	}
	switch t.kind {
	case kindRemote:
		return api.OnResolveResult{Path: t.path, External: true}, nil
	case kindStyle, kindStyleModule:
		return api.OnResolveResult{Path: p.b.resolver.rel(t.path), Namespace: sheetNamespace, PluginData: p.sheet(t.path)}, nil
	case kindURL, kindText, kindInline, kindWorker:
		return api.OnResolveResult{Path: p.b.resolver.rel(t.path) + t.query, Namespace: dataNamespace, PluginData: t}, nil
	}
	if _, query := splitQuery(args.Path); query == "" && !strings.HasPrefix(args.Path, "/") {
		return api.OnResolveResult{}, nil
	}
	return api.OnResolveResult{Path: p.b.resolver.rel(t.path), Namespace: rootNamespace}, nil
}

var nodeModule = regexp.MustCompile(nodeBuiltin)

// loadRoot makes a module of one that esbuild's resolver then finds by a relative path.
func (p *releasePlugin) loadRoot(args api.OnLoadArgs) (api.OnLoadResult, error) {
	name := args.Path
	if !strings.HasPrefix(name, "../") {
		name = "./" + name
	}
	contents := fmt.Sprintf("export * from %[1]s; import * as all from %[1]s; export default all.default;", quote(name))
	return api.OnLoadResult{Contents: &contents, ResolveDir: p.b.resolver.dir, Loader: api.LoaderJS}, nil
}

func (p *releasePlugin) loadInline(args api.OnLoadArgs) (api.OnLoadResult, error) {
	e := args.PluginData.(Entry)
	dir := filepath.Dir(p.b.path(e.File))
	contents := p.withURLs(e.Code, dir, api.LoaderJS, e.File) + p.globs([]byte(e.Code), p.b.path(e.File))
	return api.OnLoadResult{Contents: &contents, ResolveDir: dir, Loader: api.LoaderJS}, nil
}

// loadData makes a module of what development serves as compileData does. A JSON text is a module that require() and
// every form of import take.
func (p *releasePlugin) loadData(args api.OnLoadArgs) (api.OnLoadResult, error) {
	t := args.PluginData.(target)
	if err := p.b.resolver.secret(t.kind, t.path); err != nil {
		return api.OnLoadResult{}, errors.New(readError(p.b.resolver.rel(t.path), err).Text)
	}
	var text string
	switch t.kind {
	case kindURL:
		if kindOf(t.path).isStyle() {
			text = p.url(p.styleFile(t.path))
		} else {
			text = p.url(p.asset(t.path))
		}
	case kindWorker:
		u := p.url(p.script(t.path, api.FormatIIFE, false, p.chain))
		contents := fmt.Sprintf("export default function(options) { return new Worker(%s, { type: \"module\", ...options }) }", quote(u))
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
	case kindInline:
		if kindOf(t.path).isStyle() {
			text = string(p.sheet(t.path).css)
			break
		}
		fallthrough
	default:
		data, err := readRegular(t.path)
		if err != nil {
			return api.OnLoadResult{}, errors.New(readError(p.b.resolver.rel(t.path), err).Text)
		}
		if text = string(data); t.kind == kindInline {
			text = dataURL(t.path, data)
		}
	}
	contents := quote(text)
	return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJSON}, nil
}

func (p *releasePlugin) loadSheet(args api.OnLoadArgs) (api.OnLoadResult, error) {
	s := args.PluginData.(*sheet)
	if s.classes == nil {
		return api.OnLoadResult{Contents: new(string), Loader: api.LoaderJS}, nil
	}
	classes := string(s.classes)
	return api.OnLoadResult{Contents: &classes, Loader: api.LoaderJSON}, nil
}

// loading sees the files that nobody else has loaded: scripts, and what a glob import, import(`./pages/${name}`), found.
func (p *releasePlugin) loading(pb api.PluginBuild) {
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		rel := p.b.resolver.rel(args.Path)
		if errors.Is(regular(args.Path), errNoFile) {
			return api.OnLoadResult{}, fmt.Errorf("%s is no regular file", rel)
		}
		ext := strings.ToLower(filepath.Ext(args.Path))
		if kindOf(args.Path) == kindURL {
			contents := quote(p.url(p.asset(args.Path)))
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJSON}, nil
		}
		if !scripts[ext] {
			return api.OnLoadResult{}, nil
		}
		data, err := os.ReadFile(args.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return api.OnLoadResult{}, nil // esbuild says who wants it
		} else if err != nil {
			return api.OnLoadResult{}, errors.New(readError(rel, err).Text)
		}
		contents := p.withURLs(string(data), filepath.Dir(args.Path), loaderOf(ext), rel) + p.globs(data, args.Path)
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderDefault}, nil
	})
}

// globs is what comes after the source of a script for import.meta.glob; see resolver.globs.
func (p *releasePlugin) globs(source []byte, path string) string {
	tail, _, wrong := p.b.resolver.globs(source, path)
	for _, m := range wrong {
		p.fail(m)
	}
	return string(tail)
}

// loaderOf is esbuild's loader for a script where that is not told by a file; .js may have JSX, as in development.
func loaderOf(ext string) api.Loader {
	switch ext {
	case ".ts", ".mts", ".cts":
		return api.LoaderTS
	case ".tsx":
		return api.LoaderTSX
	case ".js", ".jsx":
		return api.LoaderJSX
	}
	return api.LoaderJS
}
