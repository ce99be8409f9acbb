package refresh

import (
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// compile is what package builder has esbuild do with a module, all imports external.
func compile(t testing.TB, name, source string) []byte {
	t.Helper()
	built := api.Build(api.BuildOptions{
		Stdin:     &api.StdinOptions{Contents: source, Sourcefile: name, Loader: api.LoaderTSX},
		Bundle:    true,
		Format:    api.FormatCommonJS,
		Target:    api.ES2023,
		Charset:   api.CharsetUTF8,
		JSX:       api.JSXAutomatic,
		JSXDev:    true,
		Define:    map[string]string{"import.meta": "__import_meta", "process.env.NODE_ENV": `"development"`},
		Supported: map[string]bool{"dynamic-import": false},
		Platform:  api.PlatformBrowser,
		Plugins: []api.Plugin{{Name: "external", Setup: func(pb api.PluginBuild) {
			pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
				id := args.Path
				if aliased, ok := strings.CutPrefix(id, "$lib/"); ok {
					id = "/src/" + aliased + ".ts"
				} else if !strings.HasPrefix(id, ".") {
					id = "/node_modules/" + id + "/index.js"
				}
				return api.OnResolveResult{Path: id, External: true}, nil
			})
		}}},
	})
	for _, e := range built.Errors {
		t.Fatalf("%s: %s at %+v", name, e.Text, e.Location)
	}
	code := built.OutputFiles[0].Contents
	if i := strings.Index(string(code), "\n// "); i >= 0 {
		code = code[i+1:] // without esbuild's helpers
	}
	return code
}
