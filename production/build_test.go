package production

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"
	"golang.org/x/tools/txtar"
)

// site makes a site of a script of testdata.
func siteOf(t *testing.T, name string) *script {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return newScript(t, a)
}

// The same sources give the same files, wherever they lie.
func TestDeterminism(t *testing.T) {
	for _, name := range []string{"scripts.txtar", "lazy.txtar", "page.txtar"} {
		var first map[string][]byte
		for range 3 {
			s := siteOf(t, name)
			s.o.SourceMap = true
			s.o.Define["VERSION"] = "1"
			if err := s.build(""); err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			names, err := s.match("**")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				if files[n], err = os.ReadFile(s.out(n)); err != nil {
					t.Fatal(err)
				}
			}
			if first == nil {
				first = files
			}
			for n, data := range files {
				if !bytes.Equal(first[n], data) {
					t.Errorf("%s: %s is another", name, n)
				}
			}
			if len(files) != len(first) {
				t.Errorf("%s: %d files, not %d", name, len(files), len(first))
			}
		}
	}
}

// A build that is interrupted leaves the former output and nothing else.
func TestInterrupted(t *testing.T) {
	s := siteOf(t, "lazy.txtar")
	if err := s.build(""); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.o.Plugins = []api.Plugin{{Name: "cancel", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: "page.css"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			cancel()
			return api.OnLoadResult{}, nil
		})
	}}}
	if _, err := Build(ctx, s.o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.consistent(); err != nil {
		t.Error(err)
	}
	out := output{dir: s.r.OutDir}
	if err := out.write(ctx, map[string][]byte{"x": nil}, "", nil, "/"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := out.write(context.Background(), map[string][]byte{"x": nil, "x/y": nil}, "", nil, "/"); err == nil {
		t.Error("a file is a folder")
	}
	if err := s.consistent(); err != nil {
		t.Error(err)
	}
}

// Plugins see the site's files, and what they bring is part of the output.
func TestPlugins(t *testing.T) {
	s := newScript(t, txtar.Parse([]byte("-- index.html --\n<script type=module src=main.js></script>\n-- main.js --\nimport styled from './a.styled'\nconsole.log(styled)\n-- a.styled --\nb { color: red }\n")))
	s.o.Plugins = []api.Plugin{{Name: "styled", Setup: func(b api.PluginBuild) {
		b.OnLoad(api.OnLoadOptions{Filter: `\.styled$`, Namespace: "file"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			contents := "import 'styled:" + args.Path + "'; export default 'from a plugin'"
			return api.OnLoadResult{Contents: &contents}, nil
		})
		b.OnResolve(api.OnResolveOptions{Filter: "^styled:"}, func(args api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: strings.TrimPrefix(args.Path, "styled:"), Namespace: "styled"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "styled"}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			data, err := os.ReadFile(args.Path)
			contents := string(data)
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderCSS}, err
		})
	}}}
	for _, step := range []string{
		"build", "file assets/main-*.js", "has from a plugin", "file assets/main-*.css", "has color:red",
		"file index.html", `has ^<link rel="stylesheet" href="/assets/main-[A-Z2-7]{8}\.css">$`, "has ^<script",
	} {
		if err := s.step(step); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// A plugin that takes an entry for itself leaves nothing to put into the page.
func TestPluginThatTakesAnEntry(t *testing.T) {
	s := newScript(t, txtar.Parse([]byte("-- index.html --\n<script type=module src=main.js></script>\n-- main.js --\n")))
	s.o.Plugins = []api.Plugin{{Name: "taker", Setup: func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: "main"}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "other", Namespace: "taken"}, nil
		})
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "taken"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: new(string), Loader: api.LoaderJS}, nil
		})
	}}}
	for _, step := range []string{"build fails", `error Nothing was made of main\.js: a plugin`} {
		if err := s.step(step); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
}

// Places in chunks whose import() was written over are those that esbuild had noted.
func TestSourceMaps(t *testing.T) {
	s := siteOf(t, "lazy.txtar")
	s.o.SourceMap = true
	if err := s.build(""); err != nil {
		t.Fatal(err)
	}
	for glob, places := range map[string]map[string]string{
		"assets/chunk-*.js":  {"__devserve_load0()": "src/load.ts", `import("/assets/plain`: "src/load.ts"},
		"assets/main-*.js":   {"()": "src/main.ts"},
		"assets/page-*.css":  {"color": "src/page.css"},
		"assets/first-*.css": {"color": "src/first.css"},
	} {
		names, err := s.match(glob)
		if err != nil || len(names) != 1 {
			t.Fatal(glob, names, err)
		}
		code, err := os.ReadFile(s.out(names[0]))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(code), filepath.Base(names[0])+".map") {
			t.Errorf("%s does not name its map: %s", names[0], code)
		}
		data, err := os.ReadFile(s.out(names[0] + ".map"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := sourcemap.Parse("", data)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range places {
			before, _, found := strings.Cut(string(code), text)
			source, _, line, _, ok := m.Source(strings.Count(before, "\n")+1, len(before)-strings.LastIndex(before, "\n")-1)
			if !found || !ok || !strings.HasSuffix(source, want) || line == 0 {
				t.Errorf("%s: %q is at %s:%d (%v), not in %s", names[0], text, source, line, ok, want)
			}
		}
	}
}

// What stands in a page is read, whatever it is, and written back as it was.
func FuzzPage(f *testing.F) {
	a, err := txtar.ParseFile("testdata/page.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		if filepath.Ext(file.Name) == ".html" {
			f.Add(file.Data)
		}
	}
	for _, s := range []string{
		"<img src=a srcset=a,b>", "<img/src='a'x=\"b\"=c>", "<IMG SRC=\"a&amp;b\" src=c>", "<img src", "<img src=", "<img src=\"a", "<script type=module>import 'x'",
		"<style>@import 'a';url(b)</style>", "<p style='background:url(\"x\")'>", "<link rel=icon href=\x00>", "<a\x00b src=x>", "</head a=b><body c=d>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, _ := readPage("x.html", slices.Clone(src))
		if !bytes.Equal(p.src, src) || p.head > len(src) {
			t.Fatal("the page has changed")
		}
		last := 0
		for _, r := range p.refs {
			if r.start < last || r.end < r.start || r.end > len(src) || r.inline && (r.at < last || r.at > r.start) {
				t.Fatalf("%+v after %d of %d", r, last, len(src))
			}
			last = r.end
			at := 0
			for _, l := range r.links {
				if l.start < at || l.end < l.start || l.end > len(r.text) {
					t.Fatalf("%+v in %q", l, r.text)
				}
				at = l.end
			}
		}
		if slices.ContainsFunc(p.refs, func(r ref) bool { return r.inline }) {
			return
		}
		s := &site{base: "/"}
		if got := s.rewrite(p, nil, nil); !bytes.Equal(got, src) {
			t.Fatalf("%q became %q", src, got)
		}
		for _, r := range p.refs {
			for i := range r.links {
				r.links[i].name, r.links[i].public = "x&y", true
			}
		}
		out := s.rewrite(p, nil, nil)
		again, _ := readPage("x.html", out)
		if len(again.refs) != len(p.refs) {
			t.Fatalf("%q became %q", src, out)
		}
		last, now := 0, 0
		for i, r := range p.refs {
			if a := again.refs[i]; string(src[last:r.start]) != string(out[now:a.start]) || len(r.links) > 0 && !strings.Contains(a.text, "/x&y") {
				t.Fatalf("%q became %q at %+v", src, out, r)
			}
			last, now = r.end, again.refs[i].end
		}
		if string(src[last:]) != string(out[now:]) {
			t.Fatalf("%q became %q at its end", src, out)
		}
	})
}

// Whoever reads the output while it is replaced finds the one or the other, whole.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	makeBoth := func() {
		t.Helper()
		for _, name := range []string{a, b} {
			if err := writeFile(filepath.Join(name, "deep", filepath.Base(name)), strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	makeBoth()
	if err := swap(a, b); err != nil {
		t.Log("this system cannot: ", err)
	} else if _, err := os.Stat(filepath.Join(a, "deep", "b")); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct {
		there   bool
		replace func(fresh, dir string) error
	}{{true, replace}, {true, moveOver}, {false, replace}} {
		if err := errors.Join(os.RemoveAll(a), os.RemoveAll(b)); err != nil {
			t.Fatal(err)
		}
		makeBoth()
		if !tt.there {
			if err := os.RemoveAll(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := tt.replace(a, b); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "b" {
			t.Error(left, err)
		}
		if _, err := os.Stat(filepath.Join(b, "deep", "a")); err != nil {
			t.Error(err)
		}
	}
}
