package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Packages from node_modules are bundled by esbuild into one script: they do not change
// while one works, share what they share, and cost 3 to 5 times less that way than file by file
// (measured on icon packages). The bundle is a table of functions, one for each file that the site's own
// modules import; the registry calls one when the file is first required.

// dependencies is one such bundle.
type dependencies struct {
	modules []*module // what it offers
	ids     []string  // their IDs, sorted
	code    []byte    // its factory, which returns the table
	style   []byte    // of style sheets that packages import by themselves
	smap    []byte    // made when it is asked for
	esm     []string  // those of ids that are ES modules
	inputs  []string  // files read, absolute and sorted
	looked  []string  // where a package that is missing would be; sorted, too
	sources []target  // the site's modules (or linked packages) that packages import
	errors  []Diagnostic
	hash    string
}

func (d *dependencies) has(id string) bool {
	_, found := slices.BinarySearch(d.ids, id)
	return found
}

// concerns reports whether a change of the file at path may make another bundle of d, which may be nil.
func (d *dependencies) concerns(path string) bool {
	return d != nil && (containsSorted(d.inputs, path) || containsSorted(d.looked, path))
}

// sourcePrefix marks what a package imports from outside node_modules: a linked workspace
// package, which is source, and hot.
const sourcePrefix = "devserve-source:"

var (
	notResolved = regexp.MustCompile(`^Could not resolve "([^"]+)"`)
	notRead     = regexp.MustCompile(`^Cannot read file: (.+)`) // it was there when it was resolved

	assetImport = func() string {
		exts := make([]string, 0, len(assets))
		for ext := range assets {
			exts = append(exts, regexp.QuoteMeta(ext[1:]))
		}
		slices.Sort(exts)
		return `\.(` + strings.Join(exts, "|") + `)([?#].*)?$`
	}()
	nodeBuiltin = `^(node:.*|assert|async_hooks|buffer|child_process|cluster|console|constants|crypto|dgram|dns|domain|events|fs|fs/promises|` +
		`http|http2|https|inspector|module|net|os|path|perf_hooks|process|punycode|querystring|readline|repl|stream|stream/.*|` +
		`string_decoder|timers|tls|tty|url|util|v8|vm|wasi|worker_threads|zlib)$`
)

// dependencyTable is the name, for source maps, of what lists the packages that the bundle offers.
const dependencyTable = "dependencies.js"

// bundleDependencies builds the bundle that offers ms.
func (b *Builder) bundleDependencies(ms []*module, maps api.SourceMap) *dependencies {
	d := &dependencies{modules: ms}
	var table strings.Builder
	if b.withPrefresh() {
		table.WriteString("require(" + quote(prefreshEntry) + ");\n")
	}
	table.WriteString("module.exports = {\n")
	for _, m := range ms {
		d.ids = append(d.ids, m.id)
		table.WriteString(quote(m.id) + ": () => require(" + quote(m.path) + "),\n")
	}
	slices.Sort(d.ids)
	table.WriteString("}\n")

	o := b.baseOptions()
	o.Stdin = &api.StdinOptions{Contents: table.String(), Sourcefile: dependencyTable, ResolveDir: b.resolver.dir, Loader: api.LoaderJS}
	o.Format = api.FormatCommonJS
	o.Metafile = true
	o.Sourcemap = maps
	o.Define["import.meta.hot"] = "undefined"
	o.Define["global"] = "globalThis"
	found := &dependencyBuild{b: b}
	o.Plugins = append([]api.Plugin{{Name: pluginName, Setup: found.setup}}, b.o.Plugins...)
	built := b.esbuild(o)
	d.sources = found.sources
	d.errors = b.diagnostics(built.Errors)
	if len(d.errors) > 0 {
		// The files that an error names, so that mending them is noticed.
		for _, e := range d.errors {
			if e.File == "" {
				continue
			}
			path := b.resolver.abs(e.File)
			d.inputs = append(d.inputs, path)
			if m := notResolved.FindStringSubmatch(e.Text); m != nil {
				d.looked = append(d.looked, missingPackage(filepath.Dir(path), m[1])...)
			}
			if m := notRead.FindStringSubmatch(e.Text); m != nil {
				d.inputs = append(d.inputs, m[1])
			}
		}
		for _, m := range ms {
			d.inputs = append(d.inputs, m.path)
		}
		slices.Sort(d.inputs)
		slices.Sort(d.looked)
		return d
	}

	var meta metafile
	if err := json.Unmarshal([]byte(built.Metafile), &meta); err != nil {
		panic("builder: esbuild's metafile: " + err.Error()) // it is esbuild's own JSON
	}
	formats := map[string]string{}
	for name, input := range meta.Inputs {
		path := b.resolver.abs(name)
		if inNodeModules(path) {
			d.inputs = append(d.inputs, path)
			formats[path] = input.Format
		}
	}
	slices.Sort(d.inputs)
	for _, m := range ms {
		if formats[m.path] == "esm" {
			d.esm = append(d.esm, m.id)
		}
	}
	slices.Sort(d.esm)
	for _, f := range built.OutputFiles {
		switch {
		case strings.HasSuffix(f.Path, ".js"):
			d.code = factory(bytes.TrimRight(f.Contents, "\n"), false, "")
		case strings.HasSuffix(f.Path, ".js.map"):
			d.smap = f.Contents
		case strings.HasSuffix(f.Path, ".css"):
			d.style = f.Contents
		}
	}
	h := sha256.New()
	h.Write(d.code)
	h.Write(d.style)
	d.hash = hex.EncodeToString(h.Sum(nil)[:8])
	return d
}

// dependencyBuild is what the plugin of one such build has seen.
type dependencyBuild struct {
	b       *Builder
	sources []target
}

func (w *dependencyBuild) setup(pb api.PluginBuild) {
	b := w.b
	if b.jsx.library == preact {
		b.joinPreact(pb)
	}
	pb.OnResolve(api.OnResolveOptions{Filter: "^" + sourcePrefix}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: strings.TrimPrefix(args.Path, sourcePrefix), External: true}, nil
	})
	pb.OnResolve(api.OnResolveOptions{Filter: assetImport}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if args.Kind != api.ResolveCSSURLToken || isRemote(args.Path) {
			return api.OnResolveResult{}, nil
		}
		return b.resolveURLToken(pb, args)
	})
	// A package that has a use for Node's own modules too finds them empty, as under Vite.
	pb.OnResolve(api.OnResolveOptions{Filter: nodeBuiltin}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, ok := args.PluginData.(ours); ok {
			return api.OnResolveResult{}, nil
		}
		res := pb.Resolve(args.Path, api.ResolveOptions{Importer: args.Importer, Namespace: args.Namespace, ResolveDir: args.ResolveDir, Kind: args.Kind, PluginData: ours{}})
		if len(res.Errors) == 0 && !res.External {
			return api.OnResolveResult{}, nil
		}
		return api.OnResolveResult{Path: args.Path, Namespace: "devserve-node"}, nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "devserve-node"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		contents := ""
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		if errors.Is(regular(args.Path), errNoFile) {
			return api.OnLoadResult{}, fmt.Errorf("%s is no regular file", b.resolver.rel(args.Path))
		}
		var contents string
		switch ext := strings.ToLower(filepath.Ext(args.Path)); {
		case !inNodeModules(args.Path):
			t := b.resolver.target(args.Path, "")
			b.learn(t)
			b.learnMu.Lock()
			if !slices.Contains(w.sources, t) {
				w.sources = append(w.sources, t)
			}
			b.learnMu.Unlock()
			contents = "module.exports = require(" + quote(sourcePrefix+t.id) + ")"
		case assets[ext] != "":
			contents = "module.exports = " + quote(b.assetURL(args.Path))
		default:
			return api.OnLoadResult{}, nil
		}
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
	})
}
