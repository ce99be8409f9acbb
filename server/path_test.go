package server

import (
	"net/url"
	"strings"
	"testing"
)

func TestDenied(t *testing.T) {
	for _, name := range []string{
		".env", ".env.local", "a/.env", ".git/config", ".git", "a/.git/HEAD", "src/.DS_Store", ".npmrc", ".devserve/x",
		".ENV", ".\u200benv", "\u200b.env", "\ufeff.git/config", // HFS+ drops what is not seen
		".well-known/.htpasswd", ".well-known2/x", ".pnpm/x", "node_modules/.cache/x", "node_modules/x/.pnpm/y",
		"server.pem", "server.PEM", "a/b.key", "x.p12", "x.pfx", "x.jks", "x.keystore", "x.crt", "x.cer", "x.\u212aey",
		"id_rsa", "id_rsa.pub", "ID_RSA", "id_ed25519", "a/id_ecdsa", "id_r\u017fa", "server.pem/x",
		"a.js~", ".a.js.swp", "a.js.swp", "#a.js#", "x.js___jb_tmp___",
		"con", "CON", "nul.txt", "a/aux.js", "com1", "com1.tar.gz", "lpt9.x", "com¹", "CONIN$", "nul .txt",
		"a.txt::$DATA", "a::b", "a.txt.", "a.txt ", "a./b", "a /b", "...",
	} {
		if !denied(name) {
			t.Errorf("%q is not denied", name)
		}
	}
	for _, name := range []string{
		"", ".", "index.html", "a/b/c.txt", ".well-known/acme", "a/.well-known/x", "env", "a.env", "gitignore",
		"node_modules/.pnpm/react@19.0.0/node_modules/react/index.js", "node_modules/.bun/x", "a/node_modules/.store/x",
		"keys.ts", "key", "a.keys", "monkey", "pem.txt", "grid_rsa.ts", "console.js", "com10", "common.js", "auxiliary.ts",
		"über/Straße.html", "日本語.txt", "a b.txt", "a:b.txt", "x.json", "#a", "a#", "tilde~x",
	} {
		if denied(name) {
			t.Errorf("%q is denied", name)
		}
	}
}

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

func TestFold(t *testing.T) {
	for name, want := range map[string]string{
		"Abc.TXT":              "abc.txt",
		"\u212aelvin":          "kelvin",
		"\u017fecret":          "secret",
		"a\u200d\u200cb\ufeff": "ab",
		"ÄÖ":                   "äö",
		"日本":                   "日本",
	} {
		if got := fold(name); got != want {
			t.Errorf("fold(%q) = %q, want %q", name, got, want)
		}
	}
}
