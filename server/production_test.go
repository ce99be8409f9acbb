package server_test

import (
	"context"
	"embed"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/devserve/devserve/production"
	"github.com/devserve/devserve/server"
)

// buildSite builds a site of the given files and returns the output's folder.
func buildSite(t *testing.T, base string, entries []string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, "site", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	r, err := production.Build(context.Background(), production.Options{Dir: filepath.Join(dir, "site"), OutDir: filepath.Join(dir, "dist"), Base: base, Entries: entries})
	if err != nil || len(r.Errors) > 0 {
		t.Fatal(err, r.Errors)
	}
	return filepath.Join(dir, "dist")
}

var builtSite = map[string]string{
	"index.html":        `<title>home</title><script type="module" src="/src/main.ts"></script>`,
	"about/index.html":  `<title>about</title>`,
	"contact.html":      `<title>contact</title>`,
	"src/main.ts":       `import "./main.css"; import { shared } from "./shared"; console.log(shared); import("./lazy")`,
	"src/other.ts":      `import { shared } from "./shared"; console.log("other", shared)`,
	"src/shared.ts":     `export const shared = document.title`,
	"src/lazy.ts":       `console.log("lazy")`,
	"src/main.css":      `b { color: red }`,
	"theme.css":         `i { color: red }`,
	"public/robots.txt": "all",
	"public/assets/x.y": "no hash",
}

// A built site is served by the same URLs as the one under development, to be kept where that is safe.
func TestProduction(t *testing.T) {
	for _, base := range []string{"/", "/sub/"} {
		dist := buildSite(t, base, []string{"src/other.ts", "theme.css"}, builtSite)
		embedded := fstest.MapFS{} // as go:embed all:web/dist
		err := fs.WalkDir(os.DirFS(dist), ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			data, err := os.ReadFile(filepath.Join(dist, name))
			embedded["web/dist/"+name] = &fstest.MapFile{Data: data}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for kind, fsys := range map[string]fs.FS{"folder": os.DirFS(dist), "embedded": embedded} {
			t.Run(kind+" "+base, func(t *testing.T) {
				s, err := server.New(server.Options{Base: base, Production: fsys})
				if err != nil {
					t.Fatal(err)
				}
				<-s.Ready()
				page := get(t, s, base, nil)
				script := regexp.MustCompile(`src="(.*?)"`).FindStringSubmatch(page.body)[1]
				const forever = "public, max-age=31536000, immutable"
				for _, tt := range []struct {
					path, dest string
					status     int
					cache      string
					body       string
				}{
					{base, "document", 200, "no-cache", "home"},
					{base + "about/", "document", 200, "no-cache", "about"},
					{base + "contact", "document", 200, "no-cache", "contact"},
					{base + "app/route", "document", 200, "no-cache", "home"},
					{base + "about/app.route", "document", 200, "no-cache", "about"},
					{base + "gone.png", "image", 404, "", ""},
					{script, "script", 200, forever, "shared|console"},
					{base + "robots.txt", "", 200, "no-cache", "all"},
					{base + "assets/x.y", "", 200, "no-cache", "no hash"},
					{base + ".vite/manifest.json", "", 404, "", ""},
					{base + "%2e%2e/x", "", 400, "", ""},
					{base + "_devserve/client.js", "script", 404, "", ""},
				} {
					a := get(t, s, tt.path, http.Header{"Sec-Fetch-Dest": {tt.dest}})
					if a.code != tt.status || a.header.Get("Cache-Control") != tt.cache && tt.status == 200 || !regexp.MustCompile(tt.body).MatchString(a.body) {
						t.Errorf("%s: %d %v %s", tt.path, a.code, a.header, a.body)
					}
					if strings.Contains(a.body, "_devserve") {
						t.Errorf("%s has something of development: %s", tt.path, a.body)
					}
					if tt.status != 200 {
						continue
					}
					if again := get(t, s, tt.path, http.Header{"Sec-Fetch-Dest": {tt.dest}, "If-None-Match": {a.header.Get("Etag")}}); again.code != 304 {
						t.Errorf("%s: %d with its ETag %q", tt.path, again.code, a.header.Get("Etag"))
					}
				}
				if a := get(t, s, base+"about?x", http.Header{"Sec-Fetch-Dest": {"document"}}); a.code != 302 || a.header.Get("Location") != "./about/?x" {
					t.Errorf("%d %v", a.code, a.header)
				}
				if a := get(t, s, script, http.Header{"Range": {"bytes=0-3"}}); a.code != 206 || len(a.body) != 4 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/javascript") {
					t.Errorf("%d %v %q", a.code, a.header, a.body)
				}
			})
		}
	}
}

// What a program calls for development does nothing; Run waits, and Close ends it.
func TestProductionIsInert(t *testing.T) {
	dist := buildSite(t, "/", nil, builtSite)
	s, err := server.New(server.Options{Dir: "no such folder", Production: os.DirFS(dist), Ignore: []string{"["}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	for _, err := range []error{s.Reload("x"), s.Publish("x", 1), s.Diagnose("x", nil)} {
		if err != nil {
			t.Error(err)
		}
	}
	s.Refresh("x")
	next := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<!doctype html>the program's own") }))
	for path, want := range map[string]string{"/robots.txt": "all", "/about/": "about", "/app/route": "program", "/gone.js": "program", "/.vite/manifest.json": "program"} {
		if a := get(t, next, path, http.Header{"Sec-Fetch-Dest": {"document"}}); !strings.Contains(a.body, want) || strings.Contains(a.body, "_devserve") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	post := httptest.NewRecorder()
	next.ServeHTTP(post, httptest.NewRequest("POST", "/robots.txt", nil))
	if !strings.Contains(post.Body.String(), "program") {
		t.Error(post.Body)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("Run does not end")
	}
}

func TestTags(t *testing.T) {
	dist := buildSite(t, "/sub/", []string{"src/other.ts", "theme.css"}, builtSite)
	built, err := server.New(server.Options{Base: "/sub/", Production: os.DirFS(dist)})
	if err != nil {
		t.Fatal(err)
	}
	dev, err := server.New(server.Options{Base: "/sub/", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	hash := regexp.MustCompile(`-[A-Z2-7]{8}\.`)
	for _, tt := range []struct {
		s           *server.Server
		entry, want string
	}{
		{dev, "src/main.ts", `<script type="module" src="/sub/src/main.ts"></script>`},
		{dev, "/src/ma&in.ts", `<script type="module" src="/sub/src/ma&amp;in.ts"></script>`},
		{dev, "theme.css", `<link rel="stylesheet" href="/sub/theme.css">`},
		{built, "src/main.ts", `<link rel="stylesheet" href="/sub/assets/main-#.css">` + "\n" +
			`<script type="module" src="/sub/assets/main-#.js"></script>` + "\n" + `<link rel="modulepreload" href="/sub/assets/chunk-#.js">`},
		{built, "/src/other.ts", `<script type="module" src="/sub/assets/other-#.js"></script>` + "\n" + `<link rel="modulepreload" href="/sub/assets/chunk-#.js">`},
		{built, "theme.css", `<link rel="stylesheet" href="/sub/assets/theme-#.css">`},
		{dev, `src/main.ts" "abc`, `<script type="module" nonce="abc" src="/sub/src/main.ts"></script>`},
		{dev, `theme.css" "a&b`, `<link rel="stylesheet" nonce="a&amp;b" href="/sub/theme.css">`},
		{dev, `src/main.ts" "`, `<script type="module" src="/sub/src/main.ts"></script>`},
		{built, `src/main.ts" "abc`, `<link rel="stylesheet" nonce="abc" href="/sub/assets/main-#.css">` + "\n" +
			`<script type="module" nonce="abc" src="/sub/assets/main-#.js"></script>` + "\n" + `<link rel="modulepreload" nonce="abc" href="/sub/assets/chunk-#.js">`},
		{built, `theme.css" "abc`, `<link rel="stylesheet" nonce="abc" href="/sub/assets/theme-#.css">`},
		{built, "src/gone.ts", `there is no entry "src/gone.ts" in the manifest; it has src/main.ts, src/other.ts, theme.css: .*devserve build --entry src/gone.ts`},
		{built, "src/lazy.ts", `"src/lazy.ts" was built, but not as an entry: .*devserve build --entry src/lazy.ts`},
	} {
		page := template.Must(template.New("").Funcs(template.FuncMap{"tags": tt.s.Tags}).Parse(`{{tags "` + tt.entry + `"}}`))
		var out strings.Builder
		if err := page.Execute(&out, nil); err != nil {
			if !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Errorf("%s: %v", tt.entry, err)
			}
		} else if got := hash.ReplaceAllString(out.String(), "-#."); got != tt.want {
			t.Errorf("%s: %s", tt.entry, got)
		}
	}
}

// What cannot be served says what to do.
func TestProductionThatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name, base string
		fsys       fs.FS
		want       string
	}{
		{"nothing", "", fstest.MapFS{}, `there is no \.vite/manifest\.json: run devserve build, .*//go:embed all:dist`},
		{"embedded without all", "", embed.FS{}, `there is no \.vite/manifest\.json: run devserve build, .*//go:embed all:dist`},
		{"only files", "", fstest.MapFS{"dist/index.html": {}, "dist/assets/x.js": {}}, `there is no \.vite/manifest\.json`},
		{"Vite's", "", fstest.MapFS{".vite/manifest.json": {Data: []byte("{}")}}, `devserve build did not write it: run it`},
		{"another version", "", fstest.MapFS{".vite/manifest.json": {Data: []byte("{}")}, ".vite/devserve.json": {Data: []byte(`{"version": 7}`)}},
			`another version of devserve \(its format is 7, that of this program 1\): run devserve build again`},
		{"broken", "", fstest.MapFS{".vite/manifest.json": {Data: []byte(`{"a": `)}, ".vite/devserve.json": {Data: []byte(`{"version": 1}`)}},
			`\.vite/manifest\.json: unexpected end of JSON input: run devserve build again`},
		{"another base", "/sub/", fstest.MapFS{".vite/manifest.json": {Data: []byte(`{}`)}, ".vite/devserve.json": {Data: []byte(`{"version": 1, "base": "/"}`)}},
			`built for the base "/" and Base is "/sub/": run devserve build --base /sub/`},
	} {
		_, err := server.New(server.Options{Base: tt.base, Production: tt.fsys})
		if err == nil || !regexp.MustCompile(`^server: Production.*`+tt.want).MatchString(err.Error()) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestProductionBesideProxy(t *testing.T) {
	for _, o := range []server.Options{{Backend: "http://localhost:1"}, {Proxy: map[string]string{"/api": "http://localhost:1"}}} {
		o.Production = fstest.MapFS{}
		if _, err := server.New(o); err == nil || !strings.Contains(err.Error(), "Production goes with neither Backend nor Proxy") {
			t.Error(err)
		}
	}
}

type answer struct {
	code   int
	header http.Header
	body   string
}

func get(t *testing.T, h http.Handler, path string, header http.Header) answer {
	t.Helper()
	r := httptest.NewRequest("GET", "http://example.org"+path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}
