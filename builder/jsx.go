package builder

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// A library is one whose components keep their state while they are edited.
type library string

const (
	react  library = "react"
	preact library = "preact"
)

// jsx is how JSX is compiled where no tsconfig.json says otherwise, and for which library.
type jsx struct {
	mode    api.JSX
	dev     bool // elements say where in the source they are
	source  string
	library library // "" for none
}

// detectJSX looks at the site's package.json, or the nearest above it: with React or Preact, JSX needs no import.
func (b *Builder) detectJSX(dir string) jsx {
	asReact := jsx{mode: api.JSXAutomatic, dev: readsSource(dir), library: react}
	asPreact := jsx{mode: api.JSXAutomatic, dev: true, source: "preact", library: preact}
	for at := dir; ; at = filepath.Dir(at) {
		data, err := os.ReadFile(filepath.Join(at, "package.json"))
		if err != nil {
			if filepath.Dir(at) == at {
				return jsx{}
			}
			continue
		}
		var p struct {
			Dependencies, DevDependencies, PeerDependencies map[string]string
		}
		_ = json.Unmarshal(data, &p) // a broken one is reported by esbuild, with its place
		has := func(name string) bool {
			return p.Dependencies[name] != "" || p.DevDependencies[name] != "" || p.PeerDependencies[name] != ""
		}
		switch {
		case has("react") && isCompat(dir):
			return jsx{mode: api.JSXAutomatic, dev: true, library: preact}
		case has("react") && has("preact") && b.importSource(dir) == "preact":
			return asPreact
		case has("react"):
			return asReact
		case has("preact"):
			return asPreact
		}
		return jsx{}
	}
}

func (b *Builder) setJSX(j jsx) {
	b.jsx = j
	b.resolver.compat = j.library == preact
}

// readsSource reports whether React wants to be told where elements are written. From 19 on it finds that out by itself, and its
// jsx and jsxs are what jsxDEV is, on modules that are a third smaller (1,000 of 40 lines: 3.3 MB, not 4.8).
//
// https://github.com/facebook/react/pull/28265
func readsSource(dir string) bool {
	major, ok := installedMajor(dir, "react")
	return !ok || major < 19
}

// installedMajor is the first number of the version of a package that is installed.
func installedMajor(dir, name string) (n int, ok bool) {
	data, ok := installed(dir, name+"/package.json")
	var p struct{ Version string }
	if !ok || json.Unmarshal(data, &p) != nil {
		return 0, false
	}
	major, _, _ := strings.Cut(p.Version, ".")
	n, err := strconv.Atoi(major)
	return n, err == nil
}

// isCompat reports whether the package that is installed as react is @preact/compat.
func isCompat(dir string) bool {
	data, ok := installed(dir, "react/package.json")
	var p struct{ Name string }
	return ok && json.Unmarshal(data, &p) == nil && p.Name == "@preact/compat"
}

// installed returns a file of a package, as what is in dir would find it.
func installed(dir, name string) ([]byte, bool) {
	for {
		path := filepath.Join(dir, "node_modules", filepath.FromSlash(name))
		if regular(path) == nil {
			if data, err := os.ReadFile(path); err == nil {
				return data, true
			}
		}
		if filepath.Dir(dir) == dir {
			return nil, false
		}
		dir = filepath.Dir(dir)
	}
}

// importSource is the package that JSX in dir imports from as the nearest tsconfig.json says, with what that extends: it
// is esbuild that is asked, by an element in the place of that file.
func (b *Builder) importSource(dir string) string {
	config := filepath.Join(dir, "tsconfig.json")
	for regular(config) != nil {
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir, config = up, filepath.Join(up, "tsconfig.json")
	}
	var found string
	b.esbuild(api.BuildOptions{
		AbsWorkingDir: dir, EntryPoints: []string{config}, Bundle: true, JSX: api.JSXAutomatic, LogLevel: api.LogLevelSilent,
		Plugins: []api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
			pb.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
				element := "<a/>"
				return api.OnLoadResult{Contents: &element, Loader: api.LoaderTSX}, nil
			})
			pb.OnResolve(api.OnResolveOptions{Filter: "/jsx-runtime$"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
				found = strings.TrimSuffix(args.Path, "/jsx-runtime")
				return api.OnResolveResult{Path: args.Path, External: true}, nil
			})
		}}},
	})
	return found
}
