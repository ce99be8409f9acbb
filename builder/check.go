package builder

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// A name that is imported and not exported is an error in every browser and in esbuild's own
// bundles. Compiled one by one, modules do not see it, so the names that each reads are compared
// with those that the imported module exports; only where one is missing is esbuild asked
// for its verdict and its words, on the importing module with stand-ins for what it imports.

// missing returns the diagnostics for names that m imports in vain.
func (b *Builder) missing(m *module) []Diagnostic {
	if m.kind != kindScript || m.namespace != "" || m.next == nil {
		return nil
	}
	for _, u := range m.next.uses {
		t := b.lookup(u.id)
		if t == nil || u.name == "*" {
			continue
		}
		if names, known := b.exportsOf(t, nil); known && !names[u.name] {
			return b.confirmMissing(m)
		}
	}
	return nil
}

// exportsOf collects the names that m exports, and whether that is all of them.
func (b *Builder) exportsOf(m *module, seen map[*module]bool) (map[string]bool, bool) {
	c := m.next
	if c == nil || len(m.errors) > 0 || !c.esm || m.kind != kindScript && m.kind != kindStyleModule || m.namespace != "" {
		return nil, false
	}
	names := make(map[string]bool, len(c.exports))
	for _, n := range c.exports {
		names[n] = true
	}
	for _, id := range c.reExports {
		t := b.lookup(id)
		if t == nil {
			return nil, false
		}
		if seen[t] {
			continue
		}
		if seen == nil {
			seen = map[*module]bool{m: true}
		}
		seen[t] = true
		more, known := b.exportsOf(t, seen)
		if !known {
			return nil, false
		}
		for n := range more {
			if n != "default" {
				names[n] = true
			}
		}
	}
	return names, true
}

// confirmMissing bundles m with stand-ins for its imports and returns what esbuild
// says of names that are not there.
func (b *Builder) confirmMissing(m *module) []Diagnostic {
	o := b.baseOptions()
	o.EntryPoints = []string{m.path}
	o.Sourcemap = api.SourceMapNone
	o.Format = api.FormatESModule
	o.LogOverride["import-is-undefined"] = api.LogLevelError
	stubs := map[string]*module{}
	o.Plugins = []api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			if args.Kind == api.ResolveEntryPoint {
				return api.OnResolveResult{}, nil
			}
			i := slices.IndexFunc(m.next.imports, func(e edge) bool { return e.spec == args.Path })
			if i < 0 || b.lookup(m.next.imports[i].id) == nil {
				return api.OnResolveResult{Path: args.Path, External: true}, nil
			}
			t := b.lookup(m.next.imports[i].id)
			if _, known := b.exportsOf(t, nil); !known {
				return api.OnResolveResult{Path: args.Path, External: true}, nil
			}
			b.learnMu.Lock()
			stubs[t.path] = t
			b.learnMu.Unlock()
			return api.OnResolveResult{Path: t.path, Namespace: "file"}, nil
		})
		pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			b.learnMu.Lock()
			t := stubs[args.Path]
			b.learnMu.Unlock()
			if t == nil {
				return api.OnLoadResult{}, nil
			}
			names, _ := b.exportsOf(t, nil)
			var list []string
			for n := range names {
				list = append(list, "x as "+quote(n))
			}
			slices.Sort(list)
			contents := "let x; export { " + strings.Join(list, ", ") + " }"
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
	}}}
	built := b.esbuild(o)
	built.Errors = slices.DeleteFunc(built.Errors, func(e api.Message) bool {
		if e.ID != "import-is-undefined" || e.Location == nil {
			return false
		}
		before := strings.TrimRight(e.Location.LineText[:min(e.Location.Column, len(e.Location.LineText))], " \t\"'")
		return strings.HasSuffix(before, ".") || strings.HasSuffix(before, "[") // ns.name is how one asks whether there is such a name
	})
	var out []Diagnostic
	own := b.resolver.rel(m.path)
	for _, d := range b.diagnostics(built.Errors) {
		if filepath.ToSlash(d.File) == own || d.Source == pluginName {
			out = append(out, d)
		}
	}
	return out
}
