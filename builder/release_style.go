package builder

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// A sheet is a style sheet of a release, with what it imports by @import.
type sheet struct {
	name      string // relative to the site
	css, smap []byte
	inputs    []string // of which smap is, if there is one
	classes   []byte   // the class map of a CSS module, as JSON; nil for others
}

// sheet compiles the style sheet at path.
func (r *releasing) sheet(path string) *sheet {
	r.mu.Lock()
	s := r.sheets[path]
	r.mu.Unlock()
	if s != nil {
		return s // another call may compile it too: they find the same
	}
	s = &sheet{name: r.b.resolver.rel(path)}
	module := kindOf(path) == kindStyleModule
	o := r.options()
	in := path
	if module {
		in = pluginName + ":0"
	}
	o.EntryPointsAdvanced = []api.EntryPoint{{InputPath: in, OutputPath: stem(path)}}
	o.Format = api.FormatESModule
	o.MinifyIdentifiers = false // class names are what keeps sheets apart
	if r.o.SourceMap {
		o.Sourcemap = api.SourceMapExternal
	}
	o.Plugins = slices.Concat([]api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			if _, ok := args.PluginData.(ours); ok {
				return api.OnResolveResult{}, nil
			}
			switch {
			case args.Kind == api.ResolveEntryPoint && module:
				return api.OnResolveResult{Path: s.name, Namespace: entryNamespace}, nil
			case args.Kind == api.ResolveEntryPoint:
				return api.OnResolveResult{}, nil
			case args.Namespace == entryNamespace:
				return api.OnResolveResult{Path: virtualStyleModule(s.name), Namespace: styleModuleNamespace}, nil
			}
			return r.b.resolveStyle(pb, args)
		})
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: entryNamespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			contents := `import map from "css"; export default map`
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: styleModuleNamespace}, r.b.loadStyleModule)
	}}}, r.b.o.Plugins)
	built, meta := r.build(o)
	r.fail(built.Errors...)
	r.warn(built.Warnings...)
	if module {
		s.classes = []byte("{}")
	}
	for _, f := range built.OutputFiles {
		switch {
		case strings.HasSuffix(f.Path, ".js"):
			s.classes = classMap(f.Contents)
		case strings.HasSuffix(f.Path, ".css"):
			s.css = f.Contents
		case strings.HasSuffix(f.Path, ".css.map"):
			s.smap = f.Contents
			for name := range meta.Inputs {
				s.inputs = append(s.inputs, r.b.path(name))
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sheets[path] = s
	return s
}

var classEntry = regexp.MustCompile(`(?:([^\s{},:"]+)|("(?:[^"\\]|\\.)*")):\s*("(?:[^"\\]|\\.)*")`)

// classMap reads the class map off esbuild's JavaScript for a CSS module: { name: "name", "other-name": "other-name" }.
func classMap(code []byte) []byte {
	classes := map[string]string{}
	for _, m := range classEntry.FindAllSubmatch(code, -1) {
		name := string(m[1])
		if m[2] != nil {
			name = unquote(m[2])
		}
		classes[name] = unquote(m[3])
	}
	out, _ := json.Marshal(classes) // strings always marshal
	return out
}

// styleFile emits the style sheet at path, for a <link>, and returns its name.
func (r *releasing) styleFile(path string) string {
	rel := r.b.resolver.rel(path)
	return r.join([]*sheet{r.sheet(path)}, rel, rel)
}

// join emits sheets as one file. It is named after what needs it, or if that is nothing alone after the first of them.
func (r *releasing) join(sheets []*sheet, after, src string) string {
	w := &writer{}
	index := indexMap{Version: 3, Sections: []indexEntry{}}
	for _, s := range sheets {
		if len(s.css) > 0 && w.Len() > 0 && w.Bytes()[w.Len()-1] != '\n' {
			w.addString("\n")
		}
		var m sourceMap
		if json.Unmarshal(s.smap, &m) == nil && len(s.smap) > 0 {
			r.b.hide(&m, r.b.path(outdir+"/"+releaseFolder), s.inputs)
			e := indexEntry{Map: m}
			e.Offset.Line = w.lines
			index.Sections = append(index.Sections, e)
		}
		w.add(s.css)
	}
	name := strings.TrimSuffix(stem(source(cmp.Or(after, sheets[0].name))), ".module")
	name = r.emit(name, ".css", w.Bytes(), Chunk{Name: name, Src: src, Assets: r.assetsIn(w.String())})
	if r.o.SourceMap {
		smap, _ := json.Marshal(index) // strings and numbers always marshal
		base := filepath.Base(name) + ".map"
		r.mu.Lock()
		defer r.mu.Unlock()
		r.out.Files[name+".map"] = smap
		r.out.Files[name] = append(slices.Clip(w.Bytes()), "/*# sourceMappingURL="+base+" */\n"...)
	}
	return name
}

// assetsIn lists the assets whose URLs are in code.
func (r *releasing) assetsIn(code string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for u, name := range r.urls {
		if r.chunks[name] != nil && strings.Contains(code, u) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
