package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuilt(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"src/main.ts":  `import { a } from "./a"; const n: number = a; console.log(n)`,
		"src/a.ts":     `export const a = 42`,
		"src/plain.js": `import "./a"; console.log("plain")`,
		"style.css":    `@import "./theme.css"; body { margin: 0 }`,
		"theme.css":    `:root { --theme: 1 }`,
	})
	s := newServer(t, Options{Dir: dir})
	for _, tt := range []struct {
		target string
		header []string
		ctype  string
		body   string
	}{
		{"/src/main.ts", module, "text/javascript", "42"},
		{"/src/main.ts", classic, "text/javascript", "42"},
		{"/src/main.ts", inWorker, "text/javascript", "42"},
		{"/src/main.ts?v=1", curl, "text/javascript", "42"},
		{"/src/plain.js", module, "text/javascript", "42"},
		{"/src/plain.js", classic, "text/javascript", `import "./a"`},
		{"/style.css", link, "text/css", "--theme"},
		{"/style.css", fetch, "text/css", "@import"},
	} {
		resp, body := get(t, s, tt.target, tt.header...)
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), tt.ctype) || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %s %s\n%s", tt.target, resp.Status, resp.Header.Get("Content-Type"), body)
		}
		if got := resp.Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", tt.target, got)
		}
		if got := resp.Header.Get("Vary"); got != "Sec-Fetch-Dest, Sec-Fetch-Mode" {
			t.Errorf("%s: Vary %q", tt.target, got)
		}
		if strings.Contains(body, dir) {
			t.Errorf("%s tells where the site is", tt.target)
		}
		again, rest := get(t, s, tt.target, append([]string{"If-None-Match", resp.Header.Get("ETag")}, tt.header...)...)
		if again.StatusCode != 304 || rest != "" {
			t.Errorf("%s again: %s", tt.target, again.Status)
		}
		if head, rest := do(t, s, "HEAD", tt.target, tt.header...); head.StatusCode != 200 || rest != "" || head.Header.Get("ETag") != resp.Header.Get("ETag") {
			t.Errorf("HEAD %s: %s", tt.target, head.Status)
		}
	}
}

func TestResources(t *testing.T) {
	dir := writeSite(t, map[string]string{"main.ts": "console.log(1 as number)"})
	s := newServer(t, Options{Dir: dir, Base: "/sub/"})
	_, bundle := get(t, s, "/sub/main.ts", module...)
	_, at, ok := strings.Cut(bundle, "sourceMappingURL=")
	if !ok {
		t.Fatalf("no source map in\n%s", bundle)
	}
	resp, body := get(t, s, strings.Fields(at)[0], fetch...)
	if resp.StatusCode != 200 || !strings.Contains(body, "main.ts") || resp.Header.Get("ETag") == "" {
		t.Errorf("%s: %s %s", at, resp.Status, body)
	}
	if resp, _ := get(t, s, "/sub/_devserve/build/none/x", fetch...); resp.StatusCode != 404 {
		t.Errorf("unknown resource: %s", resp.Status)
	}
}

func TestOwnEndpointsWin(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html": "site", "_devserve/client.js": "site", "_devserve/x": "site", "__webpack_hmr": "site", "_devserve/build/x": "site",
	})
	for _, base := range []string{"/", "/a/b/"} {
		s := newServer(t, Options{Dir: dir, Base: base})
		handlers := map[string]http.Handler{"alone": s, "middleware": s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "site")
		}))}
		for name, h := range handlers {
			for target, status := range map[string]int{
				"_devserve/client.js": 200, "_devserve/status": 200, "_devserve/x": 404, "_devserve/": 404, "_devserve": 404,
				"_devserve/build/x": 404, "_devserve/build/": 404, "_devserve/events/x": 404,
			} {
				resp, body := get(t, h, base+target, append([]string{"Accept", "text/html"}, fetch[:6]...)...)
				if resp.StatusCode != status || body == "site" {
					t.Errorf("%s %s%s: %s %.60s", name, base, target, resp.Status, body)
				}
			}
			if resp, _ := do(t, h, "POST", base+"__webpack_hmr"); resp.StatusCode != 405 {
				t.Errorf("%s: POST __webpack_hmr: %s", name, resp.Status)
			}
		}
	}
}

func TestBase(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html": "<!doctype html><title>root</title>", "main.ts": "export const m = 1", "docs/index.html": "<!doctype html><title>docs</title>",
	})
	s := newServer(t, Options{Dir: dir, Base: "/sub/"})
	for _, tt := range []struct {
		target   string
		header   []string
		status   int
		body     string
		location string
	}{
		{"/sub/", navigation, 200, `data-page="/sub/index.html"`, ""},
		{"/sub/", navigation, 200, `src="/sub/_devserve/client.js"`, ""},
		{"/sub/docs/", navigation, 200, `data-page="/sub/docs/index.html"`, ""},
		{"/sub/route", navigation, 200, "<title>root", ""},
		{"/sub/main.ts", module, 200, "m = 1", ""},
		{"/sub", navigation, 302, "", "./sub/"},
		{"/sub?x=1", navigation, 302, "", "./sub/?x=1"},
		{"/", navigation, 404, "under its base", ""},
		{"/subway", navigation, 404, "under its base", ""},
		{"/main.ts", module, 404, "under its base", ""},
		{"/_devserve/client.js", module, 404, "under its base", ""},
	} {
		resp, body := get(t, s, tt.target, tt.header...)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.body) || resp.Header.Get("Location") != tt.location {
			t.Errorf("%s: %s to %q\n%s", tt.target, resp.Status, resp.Header.Get("Location"), body)
		}
	}
}

func TestInjected(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html": "<!doctype html><head><title>t</title></head>", "docs/a.html": "<!doctype html><title>a</title>",
		"public/p.html": "<!doctype html><title>p</title>", "a.txt": "<!doctype html><head></head>",
	})
	s := newServer(t, Options{Dir: dir})
	for target, page := range map[string]string{
		"/": "/index.html", "/index.html": "/index.html", "/some/route": "/index.html", "/docs/a": "/docs/a.html", "/p.html": "/p.html",
		"/public/p.html": "/p.html", "/docs/": "/docs/",
	} {
		_, body := get(t, s, target, navigation...)
		if !strings.Contains(body, `<script src="/_devserve/client.js"`) || !strings.Contains(body, fmt.Sprintf("data-page=%q", page)) {
			t.Errorf("%s: %.300s", target, body)
		}
	}
	for target, header := range map[string][]string{"/index.html": fetch, "/a.txt": navigation} {
		if _, body := get(t, s, target, header...); strings.Contains(body, "_devserve") {
			t.Errorf("%s: %s", target, body)
		}
	}
}

// Whatever is asked for, a foreign name or page gets nothing.
func TestGuarded(t *testing.T) {
	dir := writeSite(t, map[string]string{"index.html": "SECRET", "main.ts": "console.log('SECRET')", "a.txt": "SECRET"})
	s := newServer(t, Options{Dir: dir})
	wrapped := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "SECRET") }))
	for name, h := range map[string]http.Handler{"alone": s, "middleware": wrapped} {
		for _, target := range []string{
			"/", "/main.ts", "/a.txt", "/none", "/_devserve/client.js", "/_devserve/events", "/_devserve/build/map/main.ts",
			"/_devserve/status", "/__webpack_hmr", "/%2e%2e/x",
		} {
			for _, tt := range []struct{ host, key, value string }{
				{"evil.example", "", ""},
				{"localhost.evil.example:3000", "", ""},
				{"localhost:3000", "Origin", "http://evil.example"},
				{"localhost:3000", "Origin", "null"},
				{"localhost:3000", "Sec-Fetch-Site", "cross-site"},
				{"localhost:3000", "Sec-Fetch-Site", "same-site"},
			} {
				r := httptest.NewRequest("GET", target, nil)
				r.Host = tt.host
				if tt.key != "" {
					r.Header.Set(tt.key, tt.value)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code/100 != 4 || strings.Contains(w.Body.String(), "SECRET") || w.Header().Get("Cross-Origin-Resource-Policy") != "same-origin" {
					t.Errorf("%s: %s under %s with %s %s: %d %s", name, target, tt.host, tt.key, tt.value, w.Code, w.Body)
				}
			}
		}
	}
}

func TestMiddleware(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"main.ts": "export const m = 1", "style.css": "body {}", "docs/index.html": "<!doctype html><title>docs</title>",
		"about.html": "<!doctype html><title>about</title>", "list/x.txt": "x", ".env": "SECRET", "public/logo.svg": "<svg/>",
	})
	s := newServer(t, Options{Dir: dir})
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/none") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>next %s %s</title>", r.Method, r.URL.EscapedPath())
	}))
	for _, tt := range []struct {
		method, target string
		header         []string
		status         int
		body           string
	}{
		{"GET", "/main.ts", module, 200, "m = 1"},
		{"GET", "/style.css", link, 200, "body {"},
		{"GET", "/logo.svg", image, 200, "<svg/>"},
		{"GET", "/docs/", navigation, 200, "<title>docs"},
		{"GET", "/docs", navigation, 302, ""},
		{"GET", "/about.html", navigation, 200, "<title>about"},
		{"GET", "/about", navigation, 200, "next GET /about"},
		{"GET", "/", navigation, 200, "next GET /<"},
		{"GET", "/", navigation, 200, "_devserve/client.js"},
		{"GET", "/route", navigation, 200, "next GET /route"},
		{"GET", "/list/", navigation, 200, "next GET /list/"},
		{"GET", "/list", navigation, 200, "next GET /list<"},
		{"GET", "/.env", curl, 200, "next GET /.env"},
		{"GET", "/a%2fb", curl, 200, "next GET /a%2fb"},
		{"POST", "/main.ts", curl, 200, "next POST /main.ts"},
		{"DELETE", "/api", curl, 200, "next DELETE /api"},
		{"GET", "/app.js", module, 200, "next GET /app.js"},
		{"GET", "/none.js", module, 404, "404 page not found"},
	} {
		resp, body := do(t, h, tt.method, tt.target, tt.header...)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.body) || strings.Contains(body, "SECRET") {
			t.Errorf("%s %s: %s\n%s\nwant %d %q", tt.method, tt.target, resp.Status, body, tt.status, tt.body)
		}
	}

	// A script that next does not have either is reported.
	next := stream(t, s)
	next(has("error", `There is no file \"none.js\"`))

	// The site has an index.html only once it exists.
	write(t, filepath.Join(dir, "index.html"), "<!doctype html><title>mine</title>")
	if _, body := get(t, h, "/", navigation...); !strings.Contains(body, "<title>mine") {
		t.Errorf("with an index.html: %s", body)
	}
	if err := os.Remove(filepath.Join(dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, h, "/", navigation...); !strings.Contains(body, "next GET /") {
		t.Errorf("without: %s", body)
	}
}

func TestMiddlewareWithBase(t *testing.T) {
	dir := writeSite(t, map[string]string{"main.ts": "export const m = 1"})
	h := newServer(t, Options{Dir: dir, Base: "/assets/"}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>next %s</title>", r.URL.Path)
	}))
	for target, want := range map[string]string{
		"/assets/main.ts": "m = 1", "/": "next /<", "/main.ts": "next /main.ts", "/assets/x": "next /assets/x",
	} {
		if _, body := get(t, h, target, module...); !strings.Contains(body, want) {
			t.Errorf("%s: %s", target, body)
		}
	}
	if _, body := get(t, h, "/page", navigation...); !strings.Contains(body, `src="/assets/_devserve/client.js"`) {
		t.Errorf("page: %s", body)
	}
}

// What next's writer can do is not lost where we look at its status.
func TestMiddlewareKeepsTheWriter(t *testing.T) {
	s := newServer(t, Options{Dir: t.TempDir()})
	srv := httptest.NewServer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})))
	defer srv.Close()
	for _, header := range [][]string{navigation, module} {
		r, err := http.NewRequest("GET", srv.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
}
