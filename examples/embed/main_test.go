package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/devserve/devserve/internal/leaktest"
	"github.com/devserve/devserve/production"
	"github.com/devserve/devserve/server"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestPage(t *testing.T) {
	serve(t, server.Options{Dir: "web"}, map[string][]string{
		"/":          {"Rendered by Go", "go1.", `<script src="/_devserve/client.js"`, `<script type="module" src="/main.ts"`},
		"/main.ts":   {"TypeScript says it is", "toLocaleTimeString"},
		"/style.css": {"--accent"},
	})
}

func TestProduction(t *testing.T) {
	out := t.TempDir()
	if _, err := production.Build(t.Context(), production.Options{Dir: "web", OutDir: out, Entries: []string{"main.ts", "style.css"}}); err != nil {
		t.Fatal(err)
	}
	page := serve(t, server.Options{Production: os.DirFS(out)}, map[string][]string{"/": {"Rendered by Go"}})
	if strings.Contains(page, "_devserve") {
		t.Errorf("a production page knows of devserve:\n%s", page)
	}
	for _, name := range []string{"main", "style"} {
		path := regexp.MustCompile(`/assets/` + name + `[^"]*`).FindString(page)
		serve(t, server.Options{Production: os.DirFS(out)}, map[string][]string{path: nil})
	}
}

// serve asks the program for paths, wants strings in the answers, and returns one of them.
func serve(t *testing.T, o server.Options, wants map[string][]string) string {
	t.Helper()
	site, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	srv := httptest.NewServer(site.Middleware(pages(site, os.DirFS("templates"))))
	defer srv.Close()
	var body []byte
	for path, words := range wants {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, resp.Status, err)
		}
		for _, w := range words {
			if !strings.Contains(string(body), w) {
				t.Errorf("%s: no %q in\n%s", path, w, body)
			}
		}
	}
	return string(body)
}
