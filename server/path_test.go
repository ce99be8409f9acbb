package server

import (
	"net/url"
	"strings"
	"testing"
)

func TestBadPath(t *testing.T) {
	for path, want := range map[string]string{
		"/":               "",
		"/a/b.txt":        "",
		"/a%20b/%C3%A9":   "",
		"/a..b/...":       "",
		"/a%2fb":          "encoded slash",
		"/a%2Fb":          "encoded slash",
		"/%2e%2e%2fx":     "encoded slash",
		"/a%5cb":          "backslash",
		"/..%5c..%5cx":    "backslash",
		`/a\b`:            "backslash",
		"/a%00.txt":       "NUL",
		"/../x":           `".."`,
		"/a/../b":         `".."`,
		"/a/..":           `".."`,
		"/%2e%2e/x":       `".."`,
		"/.%2E/x":         `".."`,
		"/a/%2e%2e":       `".."`,
		"/_devserve/../x": `".."`,
	} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := badPath(u); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
