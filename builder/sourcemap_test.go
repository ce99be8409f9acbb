package builder

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// A map that a package brings names files of this machine: what is no source of the site stays where it is.
func TestSourceMapsTellNoSecrets(t *testing.T) {
	s := newSite(t, &txtar.Archive{Files: []txtar.File{
		{Name: "main.ts", Data: []byte(`import "evil"; import "./own.js"; import "../linked/dist/index.js"; import "../alone.ts"`)},
		{Name: ".env", Data: []byte("SECRET env\n")},
		{Name: "../outside.txt", Data: []byte("SECRET outside\n")},
		{Name: "../id_rsa", Data: []byte("SECRET key\n")},
		{Name: "../a b#c.txt", Data: []byte("SECRET name\n")},
		{Name: "../other/x.ts", Data: []byte("SECRET other project\n")},
		{Name: "../linked/.env", Data: []byte("SECRET of the workspace\n")},
		{Name: "link.txt", Data: []byte("symlink ../outside.txt\n")},

		{Name: "own.js", Data: []byte("console.log('own')\n//# sourceMappingURL=own.js.map\n")},
		{Name: "own.js.map", Data: []byte(`{"version":3,"sources":["own.txt",".env","../outside.txt","link.txt","../a%20b%23c.txt"],"mappings":"AAAA,QCAA,CCAA,GCAA,CCAA"}`)},
		{Name: "own.txt", Data: []byte("shown: own\n")},
		{Name: "node_modules/evil/index.js", Data: []byte("console.log('evil')\n//# sourceMappingURL=index.js.map\n")},
		{Name: "node_modules/evil/index.js.map", Data: []byte(`{"version":3,"sources":["src.ts","gone.ts","../../../outside.txt","../../.env","../../../id_rsa","../../../other/x.ts"],` +
			`"sourcesContent":[null,"shown: brought along"],"mappings":"AAAA,QCAA,CCAA,GCAA,CCAA,CCAA"}`)},
		{Name: "node_modules/evil/src.ts", Data: []byte("shown: package\n")},
		{Name: "../linked/package.json", Data: []byte("{}\n")},
		{Name: "../linked/src/index.ts", Data: []byte("shown: workspace\n")},
		{Name: "../linked/dist/index.js", Data: []byte("console.log('work')\n//# sourceMappingURL=index.js.map\n")},
		{Name: "../linked/dist/index.js.map", Data: []byte(`{"version":3,"sources":["../src/index.ts","../.env","../../outside.txt"],"mappings":"AAAA,QCAA,CCAA"}`)},
		{Name: "../alone.ts", Data: []byte("console.log('shown: alone')\n")},
	}}, Options{})
	outside, err := os.ReadFile(s.path("../outside.txt"))
	if err != nil || !strings.Contains(string(outside), "SECRET") {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := s.b.Script(ctx, "main.ts"); err != nil || len(s.last().Errors) > 0 {
		t.Fatal(err, s.last().Errors)
	}
	out, err := s.b.Resource(ctx, "map", url.Values{"id": {"/main.ts"}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(out.Body)
	for rest := text; ; {
		_, secret, found := strings.Cut(rest, "SECRET")
		if !found {
			break
		}
		t.Errorf("the map tells SECRET%.20s", secret)
		rest = secret
	}
	for _, want := range []string{"own", "package", "brought along", "workspace", "alone"} {
		if !strings.Contains(text, "shown: "+want) {
			t.Errorf("the map does not have the source that says %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Whatever a map is that a script brings: no panic, and no text of a file outside.
func FuzzSourceMap(f *testing.F) {
	dir := f.TempDir()
	secret := filepath.Join(dir, "secret.txt")
	if err := os.WriteFile(secret, []byte("SECRET"), 0o666); err != nil {
		f.Fatal(err)
	}
	b, err := New(Options{Dir: dir})
	if err != nil {
		f.Fatal(err)
	}
	defer b.Close()
	b.resolver.dir = filepath.Join(dir, "site")
	for _, source := range []string{"main.ts", "../secret.txt", "..//secret.txt", "./../secret.txt", "x/../../secret.txt", "../%73ecret.txt", "file://" + secret, secret, "webpack://x/y", "%", "\x00", ""} {
		f.Add(source, "SECRET", ";;AAAA", 2)
	}
	f.Add("../secret.txt", "", "", -1)
	f.Fuzz(func(t *testing.T, source, content, mappings string, dropped int) {
		m := sourceMap{Version: 3, Sources: []string{source, "b"}, SourcesContent: []string{content}, Mappings: mappings}
		b.hide(&m, b.resolver.dir, nil)
		if path := filepath.Join(b.resolver.dir, source); path == secret && m.SourcesContent[0] != "" {
			t.Errorf("%q tells %q", source, m.SourcesContent[0])
		}
		b.readMap([]byte(content), dropped, nil)
	})
}
