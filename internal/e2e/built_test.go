package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/devserve/devserve/production"
	"github.com/devserve/devserve/server"
	"golang.org/x/tools/txtar"
)

// testBuilt shows sites as devserve build makes them, served by a plain file server.
func testBuilt(t *testing.T, b *browser) {
	t.Run("same", func(t *testing.T) {
		a, err := txtar.ParseFile("testdata/built.txtar")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, f := range a.Files {
			name := filepath.Join(dir, filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, f.Data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		dev, err := server.New(server.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(dev)
		defer web.Close()
		defer dev.Close()
		for _, page := range []string{"", "about/"} {
			want := see(t, b, web.URL+"/"+page)
			for _, base := range []string{"/", "/sub/"} {
				for _, readable := range []bool{true, false} {
					o := production.Options{Dir: dir, Base: base, Readable: readable, SourceMap: readable}
					if got := see(t, b, built(t, o)+page); got != want {
						t.Errorf("%s built for %s, readable %v, shows\n%s\nand under devserve\n%s", page, base, readable, got, want)
					}
				}
			}
		}
	})
	for _, base := range []string{"/", "/sub/"} {
		t.Run("hello "+base, func(t *testing.T) {
			tab := quiet(t, b, built(t, production.Options{Dir: "../../examples/hello", Base: base}))
			tab.must(t, "document.querySelectorAll('#paper path').length > 0", "true")
			tab.must(t, "getComputedStyle(document.body).display", `"grid"`)
			tab.must(t, "document.querySelector('img').naturalWidth > 0", "true")
		})
		t.Run("react "+base, func(t *testing.T) {
			dir, err := withPackages("../../examples", "react")
			if err != nil {
				t.Fatal(err)
			}
			tab := quiet(t, b, built(t, production.Options{Dir: dir, Base: base}))
			tab.must(t, "document.querySelector('main h2, main li, main form') !== null", "true")
			tab.must(t, "[...document.styleSheets].length > 1", "true")
			if _, err := tab.eval(`location.hash = "#/postcard"`); err != nil {
				t.Fatal(err)
			}
			tab.must(t, "document.querySelector('article p')?.textContent.startsWith('The sun is out')", "true")
			tab.must(t, "document.querySelectorAll('link[rel=stylesheet][href*=Postcard]').length", "1")
		})
	}
}

// built builds a site and returns the URL under which a file server serves it.
func built(t *testing.T, o production.Options) string {
	t.Helper()
	o.OutDir = filepath.Join(t.TempDir(), "dist")
	r, err := production.Build(context.Background(), o)
	if err != nil || len(r.Errors) > 0 || len(r.Warnings) > 0 {
		t.Fatal(err, r.Errors, r.Warnings)
	}
	mux := http.NewServeMux()
	mux.Handle(o.Base, http.StripPrefix(strings.TrimSuffix(o.Base, "/"), http.FileServer(http.Dir(o.OutDir))))
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	return web.URL + o.Base
}

// quiet opens a page that must have nothing to say.
func quiet(t *testing.T, b *browser, url string) *tab {
	t.Helper()
	tab, err := b.newTab(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	tab.foreign = true
	t.Cleanup(func() {
		tab.console.mu.Lock()
		defer tab.console.mu.Unlock()
		for _, line := range tab.console.all {
			if !strings.Contains(line, "favicon") {
				t.Error(line)
			}
		}
	})
	if err := tab.visit(url); err != nil {
		t.Fatal(err)
	}
	return tab
}

func (b *tab) must(t *testing.T, js, want string) {
	t.Helper()
	if err := b.want(js, want); err != nil {
		t.Errorf("%s: %v", js, err)
	}
}

// see returns what the page sees, as indented JSON.
func see(t *testing.T, b *browser, url string) string {
	t.Helper()
	tab, err := b.newTab(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	tab.foreign = true
	if err := tab.visit(url); err != nil {
		t.Fatal(err)
	}
	tab.must(t, "window.result !== undefined", "true")
	got, err := tab.eval("window.result.catch((e) => 'throws ' + e + e?.stack)")
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(got), &v); err != nil {
		t.Fatal(got, err)
	}
	out, _ := json.MarshalIndent(v, "", "  ")
	if strings.Contains(string(out), "throws") {
		t.Errorf("%s: %s %v", url, out, tab.console.all)
	}
	return string(out)
}
