package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// The scanners read esbuild's output. On whatever it prints of a module they must find what esbuild itself says
// in its metafile, and no text may make them panic.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"",
		"export const a = 1; export default class {}; export { a as 'b c', a as \"it's `\\\"\", a as __proto__ }",
		"import x, { y } from 'm'; export * from 'n'; export * as z from 'o'; console.log(x, y.q, x?.r)",
		"export const a = await 1; export * from 'n'; export function f() {}",
		"'use strict'; await import('x'); export {}",
		"#!/usr/bin/env node\n'use client'\nexport let s = `\n// a.js\nvar a_exports = {};\n__export(a_exports, {\n  b: () => b\n});\n`",
		"exports.x = require('y'); module.exports.z = 1",
		"export const __export = 1, __toESM = 2, __toCommonJS = 3; export * from 'x'",
		"//! legal\nexport var q = import.meta.url //! end",
		"import(await x); for (var i of y) import(i)",
		"export { x as \"\\u{1F600}\", x as \"\\ud800\", x as '\\'', x as '\\n\\u2028' } from 'm'",
		"@dec class A { @dec x = 1 } export { A }",
		"export async function* f() { for await (const x of y) yield* x } using a = b",
		"\"//\"; `\n// a.js\n`; export var a_exports = {}; export { a_exports as __export }",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		raw := []byte(source)
		scanExports(raw)
		scanUses(raw)
		cutHelpers(raw)
		scanAsyncReExports(openExports(raw, "a.js"))
		mend(slices.Clone(raw))
		unquote(raw)

		esm, ok := bundleForScan(source, api.FormatESModule, nil)
		if !ok {
			return
		}
		want := slices.Sorted(slices.Values(esm.exports))
		var names []string
		if cjs, ok := bundleForScan(source, api.FormatCommonJS, nil); ok {
			code, dropped := cutHelpers(cjs.code)
			if lines(cjs.code)-lines(code) != dropped {
				t.Errorf("cutHelpers took %d lines and says %d", lines(cjs.code)-lines(code), dropped)
			}
			if esm.format == "cjs" {
				return
			}
			names, _ = scanExports(sectionOf(code, "a.js"))
			if reparse(mend(slices.Clone(code))) != "" && reparse(code) == "" {
				t.Errorf("mend made no JavaScript of\n%s\n%s", code, mend(slices.Clone(code)))
			}
		} else { // it awaits
			wrapped, ok := bundleForScan(source, api.FormatESModule, []string{"x.js"})
			if !ok {
				return
			}
			names, _ = scanExports(sectionOf(wrapped.code, "a.js"))
			opened := openExports(slices.Clone(wrapped.code), "a.js")
			if lines(opened) != lines(wrapped.code) {
				t.Errorf("openExports moved lines of\n%s\n%s", wrapped.code, opened)
			}
			if text := reparse(opened); text != "" {
				t.Errorf("openExports made no JavaScript: %s of\n%s\n%s", text, wrapped.code, opened)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, want) {
			t.Errorf("scanned %q, esbuild has %q of\n%s", names, want, source)
		}
	})
}

func lines(code []byte) int { return bytes.Count(code, []byte("\n")) }

// reparse returns esbuild's first error about code, which is the body of a function.
func reparse(code []byte) string {
	r := api.Transform("(function(module, exports, require) {"+string(code)+"\n})", api.TransformOptions{LogLevel: api.LogLevelSilent, Format: api.FormatCommonJS})
	imports := bytes.Contains(code, []byte("\nimport ")) // those of a first build stand at the top level
	if len(r.Errors) > 0 && imports {
		r = api.Transform(string(code), api.TransformOptions{LogLevel: api.LogLevelSilent})
	}
	if len(r.Errors) > 0 {
		return r.Errors[0].Text
	}
	return ""
}

type scanned struct {
	code    []byte
	exports []string
	format  string
}

// bundleForScan builds source as the file a.js, all of whose imports are external; with lazily it is imported by import().
func bundleForScan(source string, format api.Format, lazily []string) (scanned, bool) {
	o := api.BuildOptions{
		EntryPoints: []string{"a.js"}, Bundle: true, Format: format, Metafile: true, Charset: api.CharsetUTF8,
		Target: target_, TreeShaking: api.TreeShakingFalse, LogLevel: api.LogLevelSilent, Outdir: "/out", AbsWorkingDir: "/",
		LegalComments: api.LegalCommentsInline, Supported: map[string]bool{"dynamic-import": format != api.FormatCommonJS},
		Plugins: []api.Plugin{{Name: "scan", Setup: func(pb api.PluginBuild) {
			pb.OnResolve(api.OnResolveOptions{Filter: ".*"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
				if args.Kind == api.ResolveEntryPoint || args.Importer == "/x.js" {
					return api.OnResolveResult{Path: "/" + strings.TrimPrefix(args.Path, "./")}, nil
				}
				return api.OnResolveResult{Path: args.Path, External: true}, nil
			})
			pb.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
				contents := source
				if args.Path == "/x.js" {
					contents = `__devserve_run(() => import("./a.js"))`
				}
				return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
			})
		}}},
	}
	if lazily != nil {
		o.EntryPoints = lazily
	}
	r := api.Build(o)
	if len(r.Errors) > 0 || len(r.OutputFiles) != 1 {
		return scanned{}, false
	}
	var meta struct {
		Inputs  map[string]struct{ Format string }
		Outputs map[string]struct{ Exports []string }
	}
	if err := json.Unmarshal([]byte(r.Metafile), &meta); err != nil {
		panic(fmt.Sprint("esbuild's metafile: ", err))
	}
	s := scanned{code: r.OutputFiles[0].Contents, format: meta.Inputs["a.js"].Format}
	for _, out := range meta.Outputs {
		s.exports = out.Exports
	}
	return s, true
}
