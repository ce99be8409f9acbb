package private

import "testing"

func TestName(t *testing.T) {
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
		if !Name(name) {
			t.Errorf("%q is not denied", name)
		}
	}
	for _, name := range []string{
		"", ".", "index.html", "a/b/c.txt", ".well-known/acme", "a/.well-known/x", "env", "a.env", "gitignore",
		"node_modules/.pnpm/react@19.0.0/node_modules/react/index.js", "node_modules/.bun/x", "a/node_modules/.store/x",
		"keys.ts", "key", "a.keys", "monkey", "pem.txt", "grid_rsa.ts", "console.js", "com10", "common.js", "auxiliary.ts",
		"über/Straße.html", "日本語.txt", "a b.txt", "a:b.txt", "x.json", "#a", "a#", "tilde~x",
	} {
		if Name(name) {
			t.Errorf("%q is denied", name)
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
