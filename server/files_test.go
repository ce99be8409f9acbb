package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"index.html":                     "<!doctype html><title>root</title>",
		"about.html":                     "<!doctype html><title>about</title>",
		"docs/index.html":                "<!doctype html><title>docs</title>",
		"docs/intro.html":                "<!doctype html><title>intro</title>",
		"docs/deep/index.html":           "<!doctype html><title>deep</title>",
		"both/index.html":                "<!doctype html><title>both folder</title>",
		"both2.html":                     "<!doctype html><title>both2 page</title>",
		"both2/x.txt":                    "x",
		"src/main.js":                    "alert(1)",
		"src/a.ts":                       "let a: number",
		"style.css":                      "body {}",
		"data.json":                      "{}",
		"a b/ü 100%.txt":                 "odd name",
		"日本.txt":                         "日本",
		"LICENSE":                        "MIT",
		"logo.svg":                       "<svg>site</svg>",
		"public/logo.svg":                "<svg>public</svg>",
		"public/robots.txt":              "robots",
		"public/lib/index.html":          "<!doctype html><title>lib</title>",
		"public/run.js":                  "run()",
		"public/only.ts":                 "let b: string",
		"public/.env":                    "SECRET",
		".env":                           "SECRET",
		".git/config":                    "SECRET",
		".well-known/security.txt":       "contact",
		"certs/server.pem":               "SECRET",
		"main.js~":                       "SECRET",
		"node_modules/.pnpm/x/style.css": "x {}",
		"node_modules/y/y.css":           "y {}",
	})
	links := map[string]string{
		"inside.txt":     "LICENSE",
		"absolute.txt":   filepath.Join(dir, "LICENSE"),
		"folder":         "docs",
		"env.txt":        ".env",
		"outside.txt":    "../secret.txt",
		"up":             "..",
		"loop1":          "loop2",
		"loop2":          "loop1",
		"broken":         "nothing",
		"node_modules/x": ".pnpm/x",
		"sub/../self":    ".",
	}
	write(t, filepath.Join(filepath.Dir(dir), "secret.txt"), "SECRET")
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(dir, filepath.Clean(name))); err != nil {
			t.Fatal(err)
		}
	}
	s := newServer(t, Options{Dir: dir})

	for _, tt := range []struct {
		target string
		header []string
		status int
		ctype  string
		body   string // contained in the body
	}{
		{"/", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/", curl, 200, "text/html; charset=utf-8", "<title>root"},
		{"/?a=b", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/index.html", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/about.html", navigation, 200, "text/html; charset=utf-8", "<title>about"},
		{"/about", navigation, 200, "text/html; charset=utf-8", "<title>about"},
		{"/docs/", navigation, 200, "text/html; charset=utf-8", "<title>docs"},
		{"/docs/index.html", navigation, 200, "text/html; charset=utf-8", "<title>docs"},
		{"/docs/intro", curl, 200, "text/html; charset=utf-8", "<title>intro"},
		{"/both2", navigation, 200, "text/html; charset=utf-8", "both2 page"},
		{"/folder/", navigation, 200, "text/html; charset=utf-8", "<title>docs"},
		{"/self/about.html", navigation, 200, "text/html; charset=utf-8", "<title>about"},

		// An application's own routes lead to the nearest index page, but only for navigations.
		{"/route", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/a/b/c", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/a/b/c/", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/docs/route", navigation, 200, "text/html; charset=utf-8", "<title>docs"},
		{"/docs/deep/x/y", navigation, 200, "text/html; charset=utf-8", "<title>deep"},
		{"/user/john.doe", navigation, 200, "text/html; charset=utf-8", "<title>root"},
		{"/route", oldBrowser, 200, "text/html; charset=utf-8", "<title>root"},
		{"/src", navigation, 200, "text/html; charset=utf-8", "<title>root"}, // a route may be called like a folder
		{"/route", curl, 404, "text/plain; charset=utf-8", "404 Not Found"},
		{"/route", fetch, 404, "text/plain; charset=utf-8", "404 Not Found"},
		{"/route.png", image, 404, "text/plain; charset=utf-8", "404 Not Found"},
		{"/route.png", oldBrowser, 404, "text/html; charset=utf-8", "404 Not Found"},
		{"/route.js", module, 404, "text/plain; charset=utf-8", "404 Not Found"},
		{"/route", module, 404, "text/plain; charset=utf-8", "404 Not Found"},
		{"/route.css", link, 404, "text/plain; charset=utf-8", "404 Not Found"},

		{"/src/main.js", classic, 200, "text/javascript; charset=utf-8", "alert(1)"},
		{"/src/main.js", fetch, 200, "text/javascript; charset=utf-8", "alert(1)"},
		{"/src/a.ts", navigation, 200, "text/plain; charset=utf-8", "let a: number"},
		{"/src/a.ts?raw", curl, 200, "text/plain; charset=utf-8", "let a: number"},
		{"/style.css", fetch, 200, "text/css; charset=utf-8", "body {}"},
		{"/data.json", fetch, 200, "application/json", "{}"},
		{"/LICENSE", curl, 200, "text/plain; charset=utf-8", "MIT"},
		{"/a%20b/%C3%BC%20100%25.txt", curl, 200, "text/plain; charset=utf-8", "odd name"},
		{"/日本.txt", curl, 200, "text/plain; charset=utf-8", "日本"},
		{"/inside.txt", curl, 200, "text/plain; charset=utf-8", "MIT"},
		{"/absolute.txt", curl, 200, "text/plain; charset=utf-8", "MIT"},
		{"/.well-known/security.txt", curl, 200, "text/plain; charset=utf-8", "contact"},
		{"/node_modules/y/y.css", fetch, 200, "text/css; charset=utf-8", "y {}"},
		{"/node_modules/x/style.css", fetch, 200, "text/css; charset=utf-8", "x {}"}, // pnpm's links

		// The public folder, at the root and before all else, and never compiled.
		{"/logo.svg", image, 200, "image/svg+xml", "public"},
		{"/robots.txt", curl, 200, "text/plain; charset=utf-8", "robots"},
		{"/public/robots.txt", curl, 200, "text/plain; charset=utf-8", "robots"},
		{"/lib/", navigation, 200, "text/html; charset=utf-8", "<title>lib"},
		{"/run.js", module, 200, "text/javascript; charset=utf-8", "run()"},
		{"/only.ts", module, 200, "text/plain; charset=utf-8", "let b"},

		{"/.env", curl, 404, "text/plain; charset=utf-8", "never served"},
		{"/.env", navigation, 404, "text/html; charset=utf-8", "Files of this name are never served"},
		{"/public/.env", curl, 404, "text/plain; charset=utf-8", "never served"},
		{"/.git/config", curl, 404, "text/plain; charset=utf-8", "never served"},
		{"/.nothing", curl, 404, "text/plain; charset=utf-8", "never served"}, // does not tell what is there
		{"/certs/server.pem", curl, 404, "text/plain; charset=utf-8", "never served"},
		{"/main.js~", curl, 404, "text/plain; charset=utf-8", "never served"},
		{"/env.txt", curl, 404, "text/plain; charset=utf-8", "never served"}, // by a link
		{"/outside.txt", curl, 404, "text/plain; charset=utf-8", "leaves the site"},
		{"/up/secret.txt", curl, 404, "text/plain; charset=utf-8", "leaves the site"},
		{"/up/", navigation, 404, "text/html; charset=utf-8", "A symbolic link"},
		{"/loop1", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/broken", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/LICENSE/", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/LICENSE/x", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"//LICENSE", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/docs//index.html", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/%FF%FE", curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/" + strings.Repeat("x", 5000), curl, 404, "text/plain; charset=utf-8", "no such file"},
		{"/..%2f..%2fetc/passwd", curl, 400, "text/plain; charset=utf-8", "encoded slash"},
		{"/../secret.txt", curl, 400, "text/plain; charset=utf-8", `".."`},
		{"/%2e%2e/secret.txt", navigation, 400, "text/html; charset=utf-8", "400 Bad Request"},
		{"/a%5cb", curl, 400, "text/plain; charset=utf-8", "backslash"},
		{"/a%00b", curl, 400, "text/plain; charset=utf-8", "NUL"},
	} {
		resp, body := get(t, s, tt.target, tt.header...)
		name := fmt.Sprintf("GET %.50s %.60s", tt.target, tt.header)
		if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != tt.ctype || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %s, %s\n%.300s\nwant %d, %s, %q", name, resp.Status, resp.Header.Get("Content-Type"), body, tt.status, tt.ctype, tt.body)
		}
		if strings.Contains(body, "SECRET") || strings.Contains(body, dir) {
			t.Errorf("%s tells too much:\n%s", name, body)
		}
		for key, want := range map[string]string{
			"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := resp.Header.Get(key); got != want {
				t.Errorf("%s: %s: %q, want %q", name, key, got, want)
			}
		}
		if got := resp.Header.Get("Devserve-Page"); got != "" {
			t.Errorf("%s: Devserve-Page %q got out", name, got)
		}
		if tt.status == 200 && resp.Header.Get("ETag") == "" {
			t.Errorf("%s: no ETag", name)
		}

		// HEAD tells the same without a body.
		head, none := do(t, s, "HEAD", tt.target, tt.header...)
		if head.StatusCode != tt.status || head.Header.Get("Content-Type") != tt.ctype || tt.status == 200 && none != "" {
			t.Errorf("HEAD of %s: %s %s %q", name, head.Status, head.Header.Get("Content-Type"), none)
		}
	}
}

func TestRedirects(t *testing.T) {
	dir := writeSite(t, map[string]string{
		"docs/index.html":  "x",
		"a/b c/index.html": "x",
		"list/x.txt":       "x",
		"x:y/index.html":   "x",
	})
	s := newServer(t, Options{Dir: dir})
	for target, want := range map[string]string{
		"/docs":         "./docs/",
		"/docs?a=b&c":   "./docs/?a=b&c",
		"/a/b%20c":      "./b%20c/",
		"/list":         "./list/",
		"/x:y":          "./x:y/", // no scheme
		"/docs?//evil/": "./docs/?//evil/",
	} {
		resp, _ := get(t, s, target, navigation...)
		if resp.StatusCode != 302 || resp.Header.Get("Location") != want {
			t.Errorf("%s: %s to %q, want %q", target, resp.Status, resp.Header.Get("Location"), want)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newServer(t, Options{Dir: writeSite(t, map[string]string{"a.txt": "a", "index.html": "i"})})
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "TRACE"} {
		for _, target := range []string{"/", "/a.txt", "/none", "/_devserve/build/x"} {
			resp, _ := do(t, s, method, target)
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %s, Allow %q", method, target, resp.Status, resp.Header.Get("Allow"))
			}
		}
	}
}

func TestConditionsAndRanges(t *testing.T) {
	dir := writeSite(t, map[string]string{"a.txt": "0123456789"})
	s := newServer(t, Options{Dir: dir})
	first, _ := get(t, s, "/a.txt")
	tag := first.Header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) {
		t.Fatalf("ETag %q is not strong", tag)
	}
	for _, tt := range []struct {
		header []string
		status int
		body   string
	}{
		{[]string{"If-None-Match", tag}, 304, ""},
		{[]string{"If-None-Match", `"x", W/` + tag}, 304, ""},
		{[]string{"If-None-Match", `"other"`}, 200, "0123456789"},
		{[]string{"If-Match", `"other"`}, 412, ""},
		{[]string{"If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, 200, "0123456789"},
		{[]string{"Range", "bytes=2-4"}, 206, "234"},
		{[]string{"Range", "bytes=-2"}, 206, "89"},
		{[]string{"Range", "bytes=8-"}, 206, "89"},
		{[]string{"Range", "bytes=100-"}, 416, ""},
		{[]string{"Range", "bytes=2-4", "If-Range", tag}, 206, "234"},
		{[]string{"Range", "bytes=2-4", "If-Range", `"other"`}, 200, "0123456789"},
	} {
		resp, body := get(t, s, "/a.txt", tt.header...)
		if resp.StatusCode != tt.status || tt.status < 300 && body != tt.body {
			t.Errorf("%v: %s %q, want %d %q", tt.header, resp.Status, body, tt.status, tt.body)
		}
	}

	// Another content of the same size, at the same time.
	name := filepath.Join(dir, "a.txt")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, "9876543210")
	if err := os.Chtimes(name, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if resp, body := get(t, s, "/a.txt", "If-None-Match", tag); resp.StatusCode != 200 || body != "9876543210" {
		t.Errorf("after a save: %s %q", resp.Status, body)
	}
}

func TestLargeFiles(t *testing.T) {
	dir := writeSite(t, map[string]string{"start.js": "window.x = 1;\n"})
	large := map[string]int64{"big.js": 50 << 20, "huge.bin": 2<<30 + 5}
	for name, size := range large {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("the end"), size-7); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	srv := httptest.NewServer(newServer(t, Options{Dir: dir}))
	t.Cleanup(srv.Close)
	ask := func(method, path string, header ...string) *http.Response {
		r, err := http.NewRequest(method, srv.URL+path, nil)
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
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}

	resp := ask("GET", "/big.js", fetch...)
	for end := time.Now().Add(10 * time.Second); resp.Header.Get("ETag") == "" && time.Now().Before(end); { // it has just been written
		resp = ask("GET", "/big.js", fetch...)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != large["big.js"] {
		t.Errorf("50 MB: %d bytes, %v", n, err)
	}
	if again := ask("GET", "/big.js", append([]string{"If-None-Match", resp.Header.Get("ETag")}, fetch...)...); again.StatusCode != 304 {
		t.Errorf("50 MB again: %s", again.Status)
	}
	for _, method := range []string{"GET", "HEAD"} { // the body of the GET is left unread
		if resp := ask(method, "/huge.bin"); resp.StatusCode != 200 || resp.ContentLength != large["huge.bin"] {
			t.Errorf("%s of 2 GB: %s, %d bytes", method, resp.Status, resp.ContentLength)
		}
	}
	resp = ask("GET", "/huge.bin", "Range", "bytes=-7")
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 206 || string(body) != "the end" {
		t.Errorf("the end of 2 GB: %s %q %v", resp.Status, body, err)
	}

	tag := resp.Header.Get("ETag")
	other := filepath.Join(dir, "other")
	info, err := os.Stat(filepath.Join(dir, "huge.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(other, nil, 0o644), os.Truncate(other, info.Size()),
		os.Chtimes(other, info.ModTime(), info.ModTime()), os.Rename(other, filepath.Join(dir, "huge.bin"))); err != nil {
		t.Fatal(err)
	}
	if resp := ask("HEAD", "/huge.bin", "If-None-Match", tag); resp.StatusCode != 200 || resp.Header.Get("ETag") == tag {
		t.Errorf("another file of the same size and time: %s", resp.Status)
	}
}

func TestFolderComesAndGoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	write(t, filepath.Join(dir, "a.txt"), "old")
	s := newServer(t, Options{Dir: dir})
	if _, body := get(t, s, "/a.txt"); body != "old" {
		t.Fatal(body)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/a.txt", "/"} {
		if resp, body := get(t, s, target); resp.StatusCode != 404 {
			t.Errorf("%s while the folder is gone: %s %s", target, resp.Status, body)
		}
	}
	write(t, filepath.Join(dir, "a.txt"), "new")
	if _, body := get(t, s, "/a.txt"); body != "new" {
		t.Errorf("after it came back: %q", body)
	}
}

func TestRefuse(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want *refusal
	}{
		{&fs.PathError{Op: "open", Path: "/home/me/x", Err: fs.ErrPermission}, errPermission},
		{fs.ErrNotExist, errNotFound},
		{errors.New("EvalSymlinks: too many links"), errNotFound},
		{fmt.Errorf("x: %w", errDenied), errDenied},
	} {
		if got := refuse(tt.err); got != tt.want {
			t.Errorf("refuse(%v) = %v", tt.err, got)
		}
	}
}

// A name that changes between the look and the opening is refused or answered by what the
// look allowed, never by what lies outside.
func TestOpenLooksAgain(t *testing.T) {
	dir := writeSite(t, map[string]string{"a.txt": "a", "b/c.txt": "c"})
	write(t, filepath.Join(filepath.Dir(dir), "secret"), "SECRET")
	f := files{dir: dir, base: "/"}
	for name, to := range map[string]string{"a.txt": "../secret", "b/c.txt": "../.."} {
		e, refused := f.find(name)
		if refused != nil {
			t.Fatal(refused)
		}
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.Remove(full), os.Symlink(to, full)); err != nil {
			t.Fatal(err)
		}
		if h, _, refused := f.open(e); refused == nil {
			data, _ := io.ReadAll(h)
			h.Close()
			t.Errorf("%s as a link to %s: opened, %q", name, to, data)
		}
	}
}

func TestContentIsServedByteForByte(t *testing.T) {
	for name, data := range map[string]string{
		"zero.js":   "a\x00b",
		"latin1.js": "caf\xe9",
		"empty.js":  "",
		"bom.css":   "\xef\xbb\xbfbody{}",
		"crlf.txt":  "a\r\nb\r\n",
	} {
		dir := writeSite(t, map[string]string{name: data})
		if resp, body := get(t, newServer(t, Options{Dir: dir}), "/"+name, fetch...); resp.StatusCode != 200 || !bytes.Equal([]byte(body), []byte(data)) {
			t.Errorf("%s: %s %q", name, resp.Status, body)
		}
	}
}

// A large file that changes and is set back to its old time and size is sent anew.
func TestLargeFileSetBack(t *testing.T) {
	name := filepath.Join(t.TempDir(), "big.bin")
	h := newServer(t, Options{Dir: filepath.Dir(name)})
	old := time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)
	save := func(text string) {
		write(t, name, strings.Repeat(text, 2*smallFile))
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	save("a")
	settled := func() (tag string) { // there is none while the next save may look the same
		for end := time.Now().Add(10 * time.Second); tag == ""; {
			if time.Now().After(end) {
				t.Fatal("no ETag")
			}
			res, _ := get(t, h, "/big.bin")
			tag = res.Header.Get("ETag")
		}
		return tag
	}
	tag := settled()
	if res, _ := get(t, h, "/big.bin", "If-None-Match", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("the same file: %s", res.Status)
	}
	save("b")
	if res, body := get(t, h, "/big.bin", "If-None-Match", tag); res.StatusCode != http.StatusOK || body[0] != 'b' {
		t.Errorf("another file: %s", res.Status)
	}
	if settled() == tag {
		t.Error("another file has the same ETag")
	}
}
