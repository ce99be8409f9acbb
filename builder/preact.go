package builder

import (
	_ "embed" // for go:embed
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// On a site that uses Preact, the bundle of packages begins with prefresh, which must be in Preact before anything is
// rendered: the project's own @prefresh/core if it has one, else 1.5.11 (MIT; preact/LICENSE). What the page does with
// it is client/src/preact.ts.

//go:embed preact/core.js
var prefresh string

const (
	prefreshNamespace = "devserve-prefresh"
	prefreshEntry     = prefreshNamespace + ":entry"
	prefreshCore      = "@prefresh/core"
)

// withPrefresh reports whether prefresh is to be in the bundle of packages: it knows Preact from version 10 on.
func (b *Builder) withPrefresh() bool {
	if b.jsx.library != preact {
		return false
	}
	_, ok := installed(b.resolver.dir, "preact/package.json")
	major, known := installedMajor(b.resolver.dir, "preact")
	return ok && (!known || major >= 10)
}

// joinPreact lets a bundle of packages have prefresh in it.
func (b *Builder) joinPreact(pb api.PluginBuild) {
	pb.OnResolve(api.OnResolveOptions{Filter: "^(" + prefreshEntry + "|" + prefreshCore + ")$"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, ok := args.PluginData.(ours); ok || args.Path == prefreshCore && args.Namespace != prefreshNamespace {
			return api.OnResolveResult{}, nil
		}
		if args.Path == prefreshCore {
			own := pb.Resolve(prefreshCore, api.ResolveOptions{ResolveDir: b.resolver.dir, Kind: api.ResolveJSImportStatement, PluginData: ours{}})
			if len(own.Errors) == 0 {
				return api.OnResolveResult{Path: own.Path}, nil
			}
		}
		return api.OnResolveResult{Path: args.Path, Namespace: prefreshNamespace}, nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: prefreshNamespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		contents := prefresh
		if args.Path == prefreshEntry {
			contents = `import { options } from "preact"; import "` + prefreshCore + `"; globalThis.__devserve.joinPreact?.(options);`
		}
		return api.OnLoadResult{Contents: &contents, ResolveDir: b.resolver.dir, Loader: api.LoaderJS}, nil
	})
	b.standInForReact(pb)
}

// standInForReact gives who imports React preact/compat, if there is no React.
func (b *Builder) standInForReact(pb api.PluginBuild) {
	pb.OnResolve(api.OnResolveOptions{Filter: "^react(-dom)?(/|$)"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, ok := args.PluginData.(ours); ok {
			return api.OnResolveResult{}, nil
		}
		options := api.ResolveOptions{Importer: args.Importer, ResolveDir: args.ResolveDir, Kind: args.Kind, PluginData: ours{}}
		res := pb.Resolve(args.Path, options)
		if len(res.Errors) > 0 {
			options.ResolveDir = b.resolver.dir
			res = pb.Resolve(inCompat(args.Path), options)
		}
		if len(res.Errors) > 0 {
			return api.OnResolveResult{}, nil // esbuild says that there is no React
		}
		return api.OnResolveResult{Path: res.Path, SideEffects: sideEffects(res)}, nil
	})
}

func sideEffects(res api.ResolveResult) api.SideEffects {
	if res.SideEffects {
		return api.SideEffectsTrue
	}
	return api.SideEffectsFalse
}

// inCompat is where Preact has what a module of React's exports; "" if spec is none of those.
func inCompat(spec string) string {
	for _, name := range []string{"react-dom", "react"} {
		if rest, ok := strings.CutPrefix(spec, name); ok && (rest == "" || rest[0] == '/') {
			return "preact/compat" + rest
		}
	}
	return ""
}
