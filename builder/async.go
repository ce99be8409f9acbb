package builder

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Top-level await is refused in CommonJS output, so such a module is built twice. First as an ES module that is imported
// by import(), which makes esbuild put its body into an async function, and leave what is hoisted, and the exports,
// outside. Then that, to CommonJS. The registry awaits what the factory returns before it runs the
// importers (client/src/registry.ts).

const topLevelAwait = `Top-level await is currently not supported with the "cjs" output format`

func onlyTopLevelAwait(messages []api.Message) bool {
	for _, m := range messages {
		if m.Text != topLevelAwait {
			return false
		}
	}
	return true
}

// asyncNamespace holds what imports the module.
const asyncNamespace = "devserve-async"

// asyncPrelude is what the two builds have left open: how exports reach the registry, and how the body is run.
const asyncPrelude = "var __devserve_done, __devserve_run = (run) => { __devserve_done = run(); }, " +
	"__devserve_link = (target, all) => module.link(target, all), __devserve_star = (target, mod) => module.star(target, mod);"

func (b *Builder) compileAsync(m *module, maps api.SourceMap) result {
	w := b.newWave([]*module{m}, maps)
	first := w.options(api.FormatESModule)
	first.Plugins = append([]api.Plugin{{Name: pluginName, Setup: m.importedLazily}}, first.Plugins...)
	built := b.esbuild(first)
	if len(built.Errors) > 0 {
		return w.failed(m, built.Errors)
	}
	out := map[*module]result{}
	w.collect(built, out)
	c := out[m].compiled

	code, smap := scriptOutput(built)
	if topLevelUsing.Match(code) {
		return w.failed(m, []api.Message{{Text: "Top-level using and top-level await do not go together in one module: esbuild loses what is declared beside them"}})
	}
	code = openExports(code, b.inputName(m))
	rest, dropped := cutHelpers(code)
	contents := strings.Repeat("\n", dropped) + string(rest) + inlineMap(smap) // the lines stay where the map has them
	second := b.baseOptions()
	second.EntryPoints = []string{m.path}
	second.Format = api.FormatCommonJS
	second.Sourcemap = maps
	second.TreeShaking = api.TreeShakingFalse
	second.Supported = map[string]bool{"dynamic-import": false}
	second.Plugins = []api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
		pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			switch {
			case args.Kind != api.ResolveEntryPoint:
				return api.OnResolveResult{Path: args.Path, External: true}, nil
			case m.namespace != "":
				return api.OnResolveResult{Path: m.path, Namespace: m.namespace}, nil
			}
			return api.OnResolveResult{}, nil // as in waveBuild.setup
		})
		pb.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
	}}}
	built = b.esbuild(second)
	if len(built.Errors) > 0 {
		return w.failed(m, built.Errors)
	}
	code, c.smap = scriptOutput(built)
	code, c.dropped = cutHelpers(code)
	c.uses = scanUses(code)
	c.reExports = scanAsyncReExports(code)
	c.esm, c.async = true, true
	code = append(b.withAsyncComponents(m, mend(code)), "return __devserve_done;\n"...)
	c.code = factory(code, true, asyncPrelude+noExports)
	c.seal()
	return result{compiled: c}
}

// withAsyncComponents is code with the line that names its components at the end of the function that became of its body.
// What reads the components sees no function, and a declaration where a hoisted variable is assigned.
func (b *Builder) withAsyncComponents(m *module, code []byte) []byte {
	start, end := asyncBody.FindIndex(code), bytes.LastIndex(code, asyncEnd)
	if start == nil || end < start[1] {
		return code
	}
	end++ // the body's last line ends
	head := code[:bytes.LastIndexByte(code[:start[0]-1], '\n')+1]
	line := b.componentsOf(m, slices.Concat(head, asyncVariable.ReplaceAll(code[start[1]:end], []byte("var $1 = "))))
	return slices.Concat(code[:end], []byte(line), code[end:])
}

// importedLazily makes the entry point a script that imports m by import().
func (m *module) importedLazily(pb api.PluginBuild) {
	pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
		switch {
		case args.Kind == api.ResolveEntryPoint:
			return api.OnResolveResult{Path: "run", Namespace: asyncNamespace}, nil
		case args.Namespace == asyncNamespace && m.namespace != "":
			return api.OnResolveResult{Path: m.path, Namespace: m.namespace}, nil
		}
		return api.OnResolveResult{}, nil
	})
	pb.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: asyncNamespace}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
		contents := "__devserve_run(() => import(" + quote(m.path) + "))"
		return api.OnLoadResult{Contents: &contents, ResolveDir: filepath.Dir(m.path), Loader: api.LoaderJS, PluginData: ours{}}, nil
	})
}

func inlineMap(smap []byte) string {
	if smap == nil {
		return ""
	}
	return "//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString(smap)
}

func scriptOutput(built api.BuildResult) (code, smap []byte) {
	for _, f := range built.OutputFiles {
		if strings.HasSuffix(f.Path, ".js") {
			code = f.Contents
		} else if strings.HasSuffix(f.Path, ".js.map") {
			smap = f.Contents
		}
	}
	return code, smap
}

var (
	exportCall    = regexp.MustCompile(`(?m)^__export\d*\((\S+), \{$`)
	asyncBody     = regexp.MustCompile(`(?m)^  async "(?:[^"\\]|\\.)*"\(\) \{\n`)
	asyncReExport = regexp.MustCompile(`(?m)\A((?:    "(?:[^"\\]|\\.)*";\n|    __devserve_star\(.*\n)*)    __reExport\d*\((\S+), (\S+)\);$`)
	asyncStar     = regexp.MustCompile(`(?m)\A((?:    "(?:[^"\\]|\\.)*";\n)*)    __devserve_star\(\S+, (\S+)\);\n`)
	topLevelUsing = regexp.MustCompile(`(?m)^    _stack\d* = \[\];$`)
	asyncVariable = regexp.MustCompile(`(?m)^    ([\p{L}_$][\p{L}\p{N}_$]*) = `)
	asyncRun      = regexp.MustCompile(`(?m)^__devserve_run\(\(\) => (\S+)\(\)\.then\(\(\) => \S+\)\);$`)
)

// asyncEnd is what comes behind the body in the second build's output.
var asyncEnd = []byte("\n  }\n});\n__devserve_run(")

// openExports makes the exports of the first build's output reach the registry: esbuild has no use for those of a
// module that it wraps but to fill the object that import() gives.
//
//	// a.mjs
//	var a_exports = {};
//	__export(a_exports, {
//	  value: () => value
//	});
//	import * as b_star from "/b.mjs";
//	var value;
//	var init_a = __esm({
//	  async "a.mjs"() {
//	    __reExport(a_exports, b_star);
//	    value = await 1;
//	  }
//	});
//
//	// devserve-async:run
//	__devserve_run(() => init_a().then(() => a_exports));
func openExports(code []byte, name string) []byte {
	body := sectionOf(code, name)
	header := code[:len(code)-len(body)]
	object := exportsObject(body)
	if object == "" {
		return code
	}
	var out bytes.Buffer
	out.Write(header)
	at := asyncBody.FindIndex(body)
	if at == nil {
		return code
	}
	top, rest := body[:at[1]], body[at[1]:]
	link := "__devserve_link(" + object + ", {"
	if call := []byte("(" + object + ", {\n"); exportCall.Match(top) && bytes.Contains(top, call) {
		out.Write(exportCall.ReplaceAll(top, []byte("__devserve_link($1, {")))
	} else { // it has nothing but export *
		declared := "var " + object + " = {};"
		out.WriteString(strings.Replace(string(top), declared, declared+" "+link+"});", 1))
	}
	for asyncReExport.Match(rest) {
		rest = asyncReExport.ReplaceAll(rest, []byte("$1    __devserve_star($2, $3);"))
	}
	out.Write(asyncRun.ReplaceAll(rest, []byte("__devserve_run($1);"))) // what init_a() resolves to may be thenable
	return out.Bytes()
}

// scanAsyncReExports reads off the second build's output which modules are exported again as a whole.
func scanAsyncReExports(code []byte) (ids []string) {
	at := asyncBody.FindIndex(code)
	if at == nil {
		return nil
	}
	vars := requiredVars(code)
	rest := code[at[1]:]
	for m := asyncStar.FindSubmatch(rest); m != nil; m = asyncStar.FindSubmatch(rest) {
		if id, ok := vars[string(m[2])]; ok {
			ids = append(ids, id)
		}
		rest = rest[len(m[0]):]
	}
	return ids
}
