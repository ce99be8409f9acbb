package server

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A page may have any regular file of the site opened, and nothing else.
func TestOpen(t *testing.T) {
	dir := writeSite(t, map[string]string{"src/a.ts": "", "--help": "", ".env": "SECRET=1", "public/p.ts": ""})
	outside := filepath.Join(t.TempDir(), "outside.ts")
	write(t, outside, "")
	for name, target := range map[string]string{"link.ts": filepath.Join(dir, "src", "a.ts"), "out.ts": outside} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	var opened string
	s := newServer(t, Options{Dir: dir, OnOpen: func(file string, line, column int) error {
		opened = fmt.Sprintf("%s:%d:%d", file, line, column)
		return nil
	}})
	_, script := get(t, s, "/_devserve/client.js")
	token := regexp.MustCompile(`token: "(\w+)"`).FindStringSubmatch(script)[1]
	for name, want := range map[string]string{
		"src/a.ts": "src/a.ts", "link.ts": "src/a.ts", "--help": "--help", "p.ts": "public/p.ts",
		"src": "", "out.ts": "", ".env": "", "gone.ts": "", "": "", outside: "", "../outside.ts": "", "src/../../x": "", "src/a.ts\\u0000": "",
	} {
		opened = ""
		body := strings.NewReader(`{"file": "` + name + `", "line": 3, "column": 4}`)
		r := httptest.NewRequest("POST", "/_devserve/open", body)
		r.Host = "localhost:3000"
		r.Header.Set("Origin", "http://localhost:3000")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Devserve-Token", token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if want != "" {
			want = filepath.Join(s.files.dir, filepath.FromSlash(want)) + ":3:4"
		}
		if opened != want || (want == "") != (w.Code == 400) || strings.Contains(w.Body.String(), dir) {
			t.Errorf("%q: opened %q, want %q; answered %d %s", name, opened, want, w.Code, w.Body)
		}
	}
}
