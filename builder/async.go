package builder

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Top-level await is refused in CommonJS output, so such a module is built twice: first
// as an ES module, whose output has its imports on top and one export clause at the end, then, with
// everything between wrapped into an async function, to CommonJS. The registry awaits what
// the factory returns before it runs the importers (client/src/registry.ts).

const topLevelAwait = `Top-level await is currently not supported with the "cjs" output format`

func onlyTopLevelAwait(messages []api.Message) bool {
	for _, m := range messages {
		if m.Text != topLevelAwait {
			return false
		}
	}
	return true
}

var (
	importStatement = regexp.MustCompile(`(?m)^(?:import|export \*) ?(?:[^";]*?from )?("(?:[^"\\\n]|\\.)*")[^\n]*;\n`)
	exportClause    = regexp.MustCompile(`(?s)(?:\A|\n)export \{\n(.*?)\n\};\n?\z`)
)

func (b *Builder) compileAsync(m *module, maps api.SourceMap) result {
	w := b.newWave([]*module{m}, maps)
	built := api.Build(w.options(api.FormatESModule))
	if len(built.Errors) > 0 {
		return result{errors: b.diagnostics(built.Errors)}
	}
	out := map[*module]result{}
	w.collect(built, out)
	c := out[m].compiled

	var code, smap []byte
	for _, f := range built.OutputFiles {
		if strings.HasSuffix(f.Path, ".js") {
			code = f.Contents
		} else if strings.HasSuffix(f.Path, ".js.map") {
			smap = f.Contents
		}
	}
	contents, exports := wrapAsync(code, c.imports)
	second := b.baseOptions()
	second.Stdin = &api.StdinOptions{
		Contents:   contents + inlineMap(smap),
		Sourcefile: b.resolver.rel(m.path), ResolveDir: b.resolver.dir, Loader: api.LoaderJS,
	}
	second.Format = api.FormatCommonJS
	second.Sourcemap = maps
	second.Supported = map[string]bool{"dynamic-import": false}
	second.Plugins = []api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: args.Path, External: true}, nil
		})
	}}}
	built = api.Build(second)
	if len(built.Errors) > 0 {
		return result{errors: b.diagnostics(built.Errors)}
	}
	code, smap = nil, nil
	for _, f := range built.OutputFiles {
		if strings.HasSuffix(f.Path, ".js") {
			code = f.Contents
		} else {
			smap = f.Contents
		}
	}
	code, c.dropped = cutHelpers(code)
	_, c.reExports = scanExports(code)
	c.exports = exports
	c.uses = scanUses(code)
	c.smap, c.esm, c.async = smap, true, true
	c.code = factory(append(code, "return __result;\n"...), true,
		`var __result, __body = (run) => { __result = run((all) => { __export(module.exports, all); module.exports = __toCommonJS(module.exports); }); };`)
	c.seal()
	return result{compiled: c}
}

// wrapAsync takes an ES module as esbuild prints it and returns one whose body runs inside
// an async function that it hands to __body, with no line moved, and the names that it exports. A line counts as an
// import only if it names one of imports, by its ID: a template literal can hold anything else.
func wrapAsync(code []byte, imports []edge) (contents string, exports []string) {
	header, body := splitHeader(code)
	var hoisted []string
	body = importStatement.ReplaceAllFunc(body, func(statement []byte) []byte {
		id := unquote(importStatement.FindSubmatch(statement)[1])
		if !slices.ContainsFunc(imports, func(e edge) bool { return e.id == id }) {
			return statement
		}
		hoisted = append(hoisted, strings.ReplaceAll(string(statement), "\n", " "))
		return bytes.Repeat([]byte("\n"), bytes.Count(statement, []byte("\n")))
	})
	var getters []string
	if m := exportClause.FindSubmatchIndex(body); m != nil {
		for item := range strings.SplitSeq(string(body[m[2]:m[3]]), ",\n") {
			local, name, renamed := strings.Cut(strings.TrimSpace(item), " as ")
			if !renamed {
				name = local
			}
			key := name
			if strings.HasPrefix(name, `"`) {
				name = unquote([]byte(name))
			} else {
				key = quote(name)
			}
			exports = append(exports, name)
			getters = append(getters, fmt.Sprintf("%s: () => %s", key, local))
		}
		body = body[:m[0]]
	}
	if bytes.HasPrefix(body, []byte("// ")) { // the line that names the file has no place in the source map
		_, body, _ = bytes.Cut(body, []byte("\n"))
	}
	return string(header) + strings.Join(hoisted, "") +
		"__body(async (__exports) => { __exports({ " + strings.Join(getters, ", ") + " });\n" + string(body) + "\n});\n", exports
}

// inlineMap is the comment by which esbuild finds the source map of what it reads.
func inlineMap(smap []byte) string {
	if smap == nil {
		return ""
	}
	return "//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString(smap)
}
