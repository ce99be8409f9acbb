package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"golang.org/x/tools/txtar"
)

// globTable is what a call at the beginning of a script's source becomes: the pairs of its object, or what is wrong.
func globTable(t *testing.T, s *site, name, source string) string {
	t.Helper()
	tail, _, wrong := s.b.resolver.globs([]byte(source), s.path(name))
	if len(wrong) > 0 {
		return fmt.Sprintf("%d:%d %s", wrong[0].Location.Line, wrong[0].Location.Column, wrong[0].Text)
	}
	var out strings.Builder
	for line := range strings.Lines(string(tail)) {
		if strings.HasPrefix(line, "import ") || strings.HasPrefix(line, `"`) {
			out.WriteString(strings.TrimSuffix(line, ",\n") + "\n")
		}
	}
	return strings.TrimSpace(strings.ReplaceAll(out.String(), "\n\n", "\n"))
}

// The calls are those of Vite's documentation and of its own tests (packages/vite/src/node/__tests__/plugins/importGlob), with
// what they become there.
func TestGlob(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte(`
-- fixture-a/index.ts --
-- fixture-a/sibling.ts --
-- fixture-a/modules/a.ts --
-- fixture-a/modules/b.ts --
-- fixture-a/modules/index.ts --
-- fixture-a/.foo/test.ts --
-- .bar/test.ts --
-- fixture-a/modules/.env --
-- fixture-a/node_modules/framework/pages/hello.page.js --
-- fixture-b/a.ts --
-- fixture-b/b.ts --
-- fixture-b/index.ts --
-- fixture-b/(group)/post.ts --
-- [odd] {dir}/x.ts --
-- [odd] {dir}/y "'é.ts --
`)), Options{})
	if err := os.Symlink("a.ts", s.path("fixture-b/link.ts")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".", s.path("fixture-a/modules/loop")); err != nil {
		t.Fatal(err)
	}
	const (
		importer = "fixture-a/index.ts"
		literals = globLiterals
	)
	for _, test := range []struct{ call, want string }{
		{`import.meta.glob<ModuleType>('./modules/*.ts')`, `
"./modules/a.ts": () => import("./modules/a.ts")
"./modules/b.ts": () => import("./modules/b.ts")
"./modules/index.ts": () => import("./modules/index.ts")`},
		{`Object.keys(import.meta.glob(['./modules/*.ts', '!**/index.ts'], { eager: true }))`, `
import * as __devserve_glob0 from "./modules/a.ts";
import * as __devserve_glob1 from "./modules/b.ts";
"./modules/a.ts": __devserve_glob0
"./modules/b.ts": __devserve_glob1`},
		{`import.meta.glob<string>('./modules/{a,b}.ts', { eager: true, import: 'name' })`, `
import * as __devserve_glob0 from "./modules/a.ts";
import * as __devserve_glob1 from "./modules/b.ts";
"./modules/a.ts": __devserve_glob0["name"]
"./modules/b.ts": __devserve_glob1["name"]`},
		{`import.meta.glob<string>('./modules/[ab].ts', { import: 'default' })`, `
"./modules/a.ts": () => import("./modules/a.ts").then((module) => module["default"])
"./modules/b.ts": () => import("./modules/b.ts").then((module) => module["default"])`},
		{`import.meta.glob(['./modules/*.ts', '!**/index.ts', '!./modules/b.ts'], { eager: true, query: '?raw', import: 'default' })`, `
import * as __devserve_glob0 from "./modules/a.ts?raw";
"./modules/a.ts": __devserve_glob0["default"]`},
		{`import.meta.glob(['./modules/a.ts'], { query: '?raw', import: '*' })`, `
"./modules/a.ts": () => import("./modules/a.ts?raw")`},
		{"import.meta.glob(\n  './*.ts',\n  // annotation contain \")\"\n  /*\n   * annotation contain \")\"\n   * */\n)", `
"./sibling.ts": () => import("./sibling.ts")`},
		{`import.meta.glob('./*.ts', { query: 'custom' })`, `
"./sibling.ts": () => import("./sibling.ts?custom")`},
		{`import.meta.glob('./*.ts', { query: { foo: 'bar', raw: true, n: 1, 'a b': '', }, })`, `
"./sibling.ts": () => import("./sibling.ts?foo=bar&raw=true&n=1&a+b")`},
		{`import.meta.glob('../../playground/src/*.ts', { query: '?url', import: 'default' })`, ``},
		{`import.meta.glob(['/*/index.ts', '../fixture-b/[ab].ts'], { query: '?url', import: 'default' })`, `
"/fixture-b/a.ts": () => import("../fixture-b/a.ts?url").then((module) => module["default"])
"/fixture-b/b.ts": () => import("../fixture-b/b.ts?url").then((module) => module["default"])
"/fixture-b/index.ts": () => import("../fixture-b/index.ts?url").then((module) => module["default"])`},
		{`import.meta.glob('./node_modules/framework/**/*.page.js')`, `
"./node_modules/framework/pages/hello.page.js": () => import("./node_modules/framework/pages/hello.page.js")`},
		{`import.meta.glob(['./modules/*.ts', '../fixture-b/*.ts', '!**/index.ts'])`, `
"./modules/a.ts": () => import("./modules/a.ts")
"./modules/b.ts": () => import("./modules/b.ts")
"../fixture-b/a.ts": () => import("../fixture-b/a.ts")
"../fixture-b/b.ts": () => import("../fixture-b/b.ts")
"../fixture-b/link.ts": () => import("../fixture-b/link.ts")`},
		{`import.meta.glob('./**/*.ts', { base: './' })`, `
"./modules/a.ts": () => import("./modules/a.ts")
"./modules/b.ts": () => import("./modules/b.ts")
"./modules/index.ts": () => import("./modules/index.ts")
"./sibling.ts": () => import("./sibling.ts")`},
		{`import.meta.glob('./**/[ab].ts', { base: '/fixture-b' })`, `
"./a.ts": () => import("../fixture-b/a.ts")
"./b.ts": () => import("../fixture-b/b.ts")`},
		{`import.meta.glob('/fixture-b/**/[ab].ts', { base: '/fixture-a' })`, `
"../fixture-b/a.ts": () => import("../fixture-b/a.ts")
"../fixture-b/b.ts": () => import("../fixture-b/b.ts")`},
		{`import.meta.glob('./*.ts', { base: './modules' })`, `
"./a.ts": () => import("./modules/a.ts")
"./b.ts": () => import("./modules/b.ts")
"./index.ts": () => import("./modules/index.ts")`},
		{`import.meta.glob('./.foo/*.ts', { eager: true })`, `
import * as __devserve_glob0 from "./.foo/test.ts";
"./.foo/test.ts": __devserve_glob0`},
		{`import.meta.glob('/fixture-a/.foo/*')`, `
"/fixture-a/.foo/test.ts": () => import("./.foo/test.ts")`},
		{`import.meta.glob('../fixture-b/(group)/*.ts')`, `
"../fixture-b/(group)/post.ts": () => import("../fixture-b/(group)/post.ts")`},
		{`import.meta.glob('../fixture-b/\\(group\\)/*.ts')`, `
"../fixture-b/(group)/post.ts": () => import("../fixture-b/(group)/post.ts")`},
		{`import.meta.glob('**/a.ts')`, `
"/fixture-a/modules/a.ts": () => import("./modules/a.ts")
"/fixture-b/a.ts": () => import("../fixture-b/a.ts")`},
		{`import.meta.glob('./**', { exhaustive: true })`, `
"./.foo/test.ts": () => import("./.foo/test.ts")
"./modules/a.ts": () => import("./modules/a.ts")
"./modules/b.ts": () => import("./modules/b.ts")
"./modules/index.ts": () => import("./modules/index.ts")
"./node_modules/framework/pages/hello.page.js": () => import("./node_modules/framework/pages/hello.page.js")
"./sibling.ts": () => import("./sibling.ts")`},
		{`import.meta.glob('./modules/.env')`, ``},
		{`import.meta.glob('../\\[odd] \\{dir\\}/*.ts')`, `
"../[odd] {dir}/x.ts": () => import("../[odd] {dir}/x.ts")
"../[odd] {dir}/y \"'é.ts": () => import("../[odd] {dir}/y \"'é.ts")`},
		{"import.meta.glob(`./\\u0073ibling.ts`)", `
"./sibling.ts": () => import("./sibling.ts")`},
		{`export const pages = { '.page': (import.meta as any).glob('./sibling.*'), }`, `
"./sibling.ts": () => import("./sibling.ts")`},
		{"import.meta\n  .glob('./sibling.ts')", `
"./sibling.ts": () => import("./sibling.ts")`},
		{`class A { constructor(@inject() private x = import.meta.glob('./sibling.ts')) {} }`, `
"./sibling.ts": () => import("./sibling.ts")`},

		{`"import.meta.glob()"`, ``},
		{`import.meta.glob(`, ``}, // esbuild says what is wrong
		{`import.meta.glob()`, "1:0 " + literals},
		{`import.meta.glob("", {}, {})`, "1:0 " + literals},
		{`let hey: string; import.meta.glob(hey)`, "1:17 " + literals},
		{"\n\timport.meta.glob(`./hi ${hey}`)", "2:1 " + literals},
		{`/* ü */ import.meta.glob(1)`, "1:9 " + literals},
		{`import.meta.glob(["./1", hey])`, "1:0 " + literals},
		{`import.meta.glob(...hey)`, "1:0 " + literals},
		{`import.meta.glob(["./1",,])`, "1:0 " + literals},
		{`const glob = import.meta.glob`, "1:13 " + literals},
		{`import.meta.glob?.("./a")`, "1:0 " + literals},
		{`import.meta.glob("./a"); import.meta.glob(b)`, "1:25 " + literals},
		{`import.meta.glob("./hey", hey)`, "1:0 " + literals},
		{`import.meta.glob("./hey", [])`, "1:0 " + literals},
		{`import.meta.glob("./hey", { hey: 1 })`, `1:0 import.meta.glob has no option "hey"`},
		{`import.meta.glob("./hey", { import: hey })`, "1:0 " + literals},
		{`import.meta.glob("./hey", { [hey]: 1 })`, "1:0 " + literals},
		{`import.meta.glob("./hey", { eager })`, "1:0 " + literals},
		{`import.meta.glob("./hey", { ...hey })`, "1:0 " + literals},
		{`import.meta.glob("./hey", { eager: 123 })`, `1:0 The option "eager" of import.meta.glob has a value of another kind than it takes`},
		{`import.meta.glob("./hey", { as: "raw" })`, `1:0 import.meta.glob has no option "as" any more: write query: "?raw" or "?url", and import: "default"`},
		{`import.meta.glob("./*.js", { query: 123 })`, `1:0 The option "query" of import.meta.glob has a value of another kind than it takes`},
		{`import.meta.glob("./*.js", { query: [] })`, `1:0 The option "query" of import.meta.glob has a value of another kind than it takes`},
		{`import.meta.glob("./*.js", { query: { foo: {} } })`, `1:0 The option "query" of import.meta.glob has a value of another kind than it takes`},
		{`import.meta.glob("./*.js", { query: { foo: hey } })`, "1:0 " + literals},
		{`import.meta.glob("./*.js", { query: { foo: 123, ...a } })`, "1:0 " + literals},
		{`import.meta.glob("./*.js", { base: 1 })`, `1:0 The option "base" of import.meta.glob has a value of another kind than it takes`},
		{`import.meta.glob("./*.js", { base: "foo" })`, `1:0 The base "foo" of import.meta.glob must begin with ./, ../ or / (the site's folder)`},
		{`import.meta.glob("hey")`, `1:0 The pattern "hey" of import.meta.glob must begin with ./, ../, / (the site's folder) or **`},
		{`import.meta.glob("./[a")`, `1:0 The pattern "./[a" of import.meta.glob has a bracket without its other half`},
		{`import.meta.glob("/**/*.page.*([a-z])")`, `1:0 The pattern "/**/*.page.*([a-z])" of import.meta.glob has a (…) group: write {a,b}, or a list with patterns that begin with ! for what is not meant`},
	} {
		if got, want := globTable(t, s, importer, test.call), strings.TrimSpace(test.want); got != want {
			t.Errorf("%s:\n%s\nwant:\n%s", test.call, got, want)
		}
	}
	if got := globTable(t, s, "fixture-b/(group)/x.ts", `import.meta.glob(["/.*/*.ts", "./*.ts"])`); got != "\"/.bar/test.ts\": () => import(\"../../.bar/test.ts\")\n\"/fixture-b/(group)/post.ts\": () => import(\"./post.ts\")" {
		t.Error("in a folder whose name has brackets: ", got)
	}
	if got := globTable(t, s, "[odd] {dir}/x.ts", `import.meta.glob("./*.ts")`); got != `"./y \"'é.ts": () => import("./y \"'é.ts")` {
		t.Error("in a folder whose name has signs of patterns: ", got)
	}
	s.b.resolver.globLimit = 8
	if got, want := globTable(t, s, importer, `import.meta.glob("./a.ts"); import.meta.glob("./**")`), "1:28 import.meta.glob looks at more than 8 files and folders: begin the pattern in one with fewer"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What list() finds and what has() says of a path are the same.
func TestSelectionAgrees(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte(`
-- a.ts --
-- b/c.ts --
-- b/c.js --
-- b/.d/e.ts --
-- b/node_modules/f/g.ts --
-- .env --
-- .env.local --
`)), Options{})
	var all []string
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, patterns := range []string{"/**", "/*", "/*/*", "/**/*.ts", "/b/**/*.ts !**/c.*", "/{a,b/c}.ts", "/**/.d/*", "/b/node_modules/**", "/.*", "/**/.*/*.ts", "!**"} {
		for _, all_ := range []bool{false, true} {
			sel := s.b.resolver.selection(glob{patterns: strings.Fields(patterns), all: all_}, s.path("a.ts"))
			var has []string
			for _, path := range all {
				if sel.has(path) {
					has = append(has, path)
				}
			}
			slices.Sort(has)
			if files, ok := sel.list(1000); !ok || !slices.Equal(files, has) {
				t.Errorf("%s, %v: found %q, has %q", patterns, all_, files, has)
			}
		}
	}
}

// With a user's plugins, too, and beside what they load.
func TestGlobWithPlugins(t *testing.T) {
	loaded := ""
	plugin := api.Plugin{Name: "user", Setup: func(pb api.PluginBuild) {
		pb.OnLoad(api.OnLoadOptions{Filter: ".*"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			loaded += filepath.Base(args.Path) + " "
			return api.OnLoadResult{}, nil
		})
	}}
	s := newSite(t, txtar.Parse([]byte(`
-- main.ts --
import "./other"
export const pages = import.meta.glob("./pages/*.ts")
-- other.ts --
export const other = import.meta
-- pages/a.ts --
export const a = 1
`)), Options{Plugins: []api.Plugin{plugin}})
	if err := s.step("get main.ts"); err != nil {
		t.Fatal(err)
	}
	if err := s.match(`"\./pages/a\.ts": \(\) =>`, s.body); err != nil {
		t.Error(err)
	}
	if loaded != "other.ts " {
		t.Errorf("the plugin was asked for %q", loaded)
	}
}

// A module that has no call is not read for one.
func BenchmarkGlobsNone(b *testing.B) {
	s := newSite(b, generate(b, 1), Options{})
	source, err := os.ReadFile(s.path("src/m0/c0.tsx"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(source)))
	for b.Loop() {
		s.b.resolver.globs(source, s.path("src/m0/c0.tsx"))
	}
}

func FuzzGlobs(f *testing.F) {
	for _, s := range []string{
		`("./*.ts")`, `(["./*", "!**/a"], { eager: true, import: "a", query: { a: 1, "b": -.5, c: true } })`, "(`./\\u{61}*`, {})",
		`<T>('./[a', { base: "../" })`, `?.("./{a,b{c}}")`, `("./a"` + "\n//\u2028)", `("/**/*.{ts,tsx}")`,
	} {
		f.Add(s, "a.ts")
	}
	dir := f.TempDir()
	for _, name := range []string{"a.ts", "b.ts"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			f.Fatal(err)
		}
	}
	r := newResolver(dir, "/", false)
	f.Fuzz(func(t *testing.T, call, name string) {
		source := []byte("import.meta.glob" + call)
		path := filepath.Join(dir, "x"+filepath.Ext(name))
		tail, _, wrong := r.globs(source, path)
		for _, m := range wrong {
			place(m.Location)
		}
		if tail == nil {
			return
		}
		o := api.TransformOptions{Loader: loaderOf(filepath.Ext(path)), LogLevel: api.LogLevelSilent}
		if r := api.Transform(string(source)+string(tail), o); len(r.Errors) > 0 {
			t.Errorf("%s%s\n%v", source, tail, r.Errors)
		}
	})
}
