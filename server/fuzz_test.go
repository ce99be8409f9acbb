package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whatever path is asked for by whomever: no panic, no 5xx, nothing that is not to be seen.
func FuzzPath(f *testing.F) {
	parent := f.TempDir()
	dir := filepath.Join(parent, "site")
	for name, text := range map[string]string{
		"../outside.txt": "SECRET", "../.env": "SECRET", "../site2/a.txt": "SECRET", ".env": "SECRET", ".git/config": "SECRET",
		"a/.env": "SECRET", "key.pem": "SECRET", "id_rsa": "SECRET", "a.txt~": "SECRET", "public/.env": "SECRET",
		"index.html": "<!doctype html>", "a/index.html": "<!doctype html>", "a.txt": "a", "a/b c/ü.txt": "x", "main.ts": "let x = 1",
		"style.css": "a {}", "public/x.svg": "<svg/>", "list/x": "x",
	} {
		write(f, filepath.Join(dir, filepath.FromSlash(name)), text)
	}
	for name, to := range map[string]string{"up": "..", "out.txt": "../outside.txt", "env": ".env", "loop": "loop", "self": "."} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			f.Fatal(err)
		}
	}
	s := newServer(f, Options{Dir: dir, Base: "/sub/"})
	who := [][]string{navigation, module, classic, link, fetch, inWorker, curl, oldBrowser}
	for _, path := range []string{
		"/sub/", "/sub", "/", "/sub/a.txt", "/sub/main.ts", "/sub/style.css", "/sub/../outside.txt", "/sub/%2e%2e/outside.txt",
		"/sub/..%2foutside.txt", "/sub/..%5coutside.txt", `/sub/..\outside.txt`, "/sub/up/outside.txt", "/sub/up/.env", "/sub/out.txt",
		"/sub/.env", "/sub/.ENV", "/sub/env", "/sub/a/.env", "/sub/.env%00.txt", "/sub/.env/", "/sub/./.env", "/sub//.env", "/sub/.env::$DATA",
		"/sub/%E2%80%8B.env", "/sub/.git/config", "/sub/key.pem", "/sub/KEY.PEM", "/sub/key.pem.", "/sub/loop", "/sub/self/self/.env",
		"/sub/../site2/a.txt", "/site2/a.txt", "//sub/a.txt", "/sub//a.txt", "/sub/list", "/sub/list/", "/sub/_devserve/build/map/main.ts",
		"/sub/_devserve/build/file/../../../outside.txt", "/sub/_devserve/build/%2e%2e/%2e%2e/outside.txt", "/sub/_devserve/client.js",
		"/sub/_devserve/build/places?at=http://localhost/sub/main.ts:1:1&at=:::", "/sub/_devserve/build/places?at=../outside.txt:1:99999999999999999999",
		"/sub/_devserve/build/lazy?id=/../outside.txt%3Fraw", "/sub/_devserve/build/map?id=%2F..%2Foutside.txt", "/sub/_devserve/copy/../.env",
		"/sub/_devserve/build/update-map?build=-1&id=%00", "/sub/_devserve/upstream?path=/../..", "/sub/_devserve/build/file/%2e%2e/outside.txt",
		"/sub/a/b%20c/%C3%BC.txt", "/sub/%ff", "/sub/a?raw", "/sub/main.ts?raw&x=%00", "/sub/con", "/sub/" + strings.Repeat("a/", 500),
	} {
		for i := range who {
			f.Add(path, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, path string, by uint8) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") {
			return // no request has this path
		}
		if strings.HasSuffix(u.Path, "/events") || strings.HasSuffix(u.Path, "/__webpack_hmr") {
			return // a stream does not end
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL, r.RequestURI, r.Host = u, path, "localhost"
		header := who[int(by)%len(who)]
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
		if body := w.Body.String(); strings.Contains(body, "SECRET") || strings.Contains(body, parent) {
			t.Errorf("%q: %d %s", path, w.Code, body)
		}
		if to := w.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "./") {
			t.Errorf("%q leads to %q", path, to)
		}
	})
}

// Whatever path is asked for, another server is asked for nothing outside of its rule, however it reads paths.
func FuzzProxyPath(f *testing.F) {
	asked := make(chan string, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.Path
	}))
	f.Cleanup(backend.Close)
	s := newServer(f, Options{Dir: f.TempDir(), Proxy: map[string]string{"/api": backend.URL}})
	for _, target := range []string{
		"/api", "/api/", "/api/x?y", "/apix", "/API/x", "//api/x", "/api/../admin", "/api/%2e%2e/admin", "/api/..%2fadmin", "/api/..%5cadmin", `/api/..\admin`,
		"/api/..;/admin", "/api/.%2e;x/admin", "/api/./x", "/api/a%2Fb", "/api/%00", "/api//../admin", "/api/%", "/api?../..", "/%61pi/x", "/api;/x",
	} {
		f.Add("GET", target)
		f.Add("POST", target)
	}
	f.Add("CONNECT", "/api/x")
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(u.Path, "/") || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return // no request has this path
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL, r.RequestURI, r.Host = method, u, target, "localhost"
		s.ServeHTTP(httptest.NewRecorder(), r)
		select {
		case a := <-asked:
			verb, p, _ := strings.Cut(a, " ")
			p = strings.ReplaceAll(p, `\`, "/")
			for _, read := range []string{path.Clean(p), path.Clean(parameters.ReplaceAllString(p, ""))} {
				if verb == "CONNECT" || read != "/api" && !strings.HasPrefix(read, "/api/") {
					t.Errorf("%s %q: the other server was asked %q, which may be %q", method, target, a, read)
				}
			}
		default: // it was not asked
		}
	})
}

// parameters are what some servers cut off a path's segments.
var parameters = regexp.MustCompile(`;[^/]*`)
