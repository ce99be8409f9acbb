package builder

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// Nothing is read that a script names as its map, or a map as its source, if that may never end; and what is said
// otherwise of a script with such a comment stays.
func TestMapsThatNeverEnd(t *testing.T) {
	data := func(m string) string {
		return "data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(m))
	}
	const naming = `{"version":3,"sources":["%s"],"mappings":"AAAA"}`
	files := []txtar.File{
		{Name: "pipe.map", Data: []byte("fifo\n")},
		{Name: "good.map", Data: fmt.Appendf(nil, naming, "good.txt")},
		{Name: "good.txt", Data: []byte("shown: good\n")},
		{Name: "names-pipe.map", Data: fmt.Appendf(nil, naming, "pipe.map")},
		{Name: "../outside.map", Data: []byte(`{"version":3,"sources":["x"],"sourcesContent":["SECRET"],"mappings":"AAAA"}`)},
	}
	comments := map[string]string{
		"pipe":     "//# sourceMappingURL=pipe.map",
		"block":    "/*@ sourceMappingURL=./pipe.map*/",
		"escaped":  "//# sourceMappingURL=%70ipe.map",
		"source":   "//# sourceMappingURL=names-pipe.map",
		"data":     "//# sourceMappingURL=" + data(fmt.Sprintf(naming, "pipe.map")),
		"root":     "//# sourceMappingURL=" + data(`{"version":3,"sourceRoot":"../site/x","Sources":["a"],"sources":["pipe.map"],"mappings":"AAAA"}`),
		"section":  "//# sourceMappingURL=" + data(`{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":`+fmt.Sprintf(naming, "pipe.map")+`}]}`),
		"outside":  "//# sourceMappingURL=../outside.map",
		"good":     "//# sourceMappingURL=good.map",
		"goodData": "//# sourceMappingURL=" + data(`{"version":3,"sources":["a.x"],"sourcesContent":["shown: data"],"mappings":"AAAA"}`),
	}
	main := ""
	for name, comment := range comments {
		files = append(files, txtar.File{Name: name + ".js", Data: []byte("console.log('" + name + "')\n" + comment + "\n")})
		main += "import './" + name + ".js'\n"
	}
	files = append(files, txtar.File{Name: "node_modules/evil/index.js", Data: []byte("console.log('evil')\n//# sourceMappingURL=pipe.map")},
		txtar.File{Name: "node_modules/evil/pipe.map", Data: []byte("fifo\n")},
		txtar.File{Name: "sheet.css", Data: []byte("a {}\n@import './part.css';\n/*# sourceMappingURL=pipe.map */")},
		txtar.File{Name: "main.js", Data: []byte(main + "import 'evil'\n")})
	s := newSite(t, &txtar.Archive{Files: files}, Options{})
	done := make(chan struct{})
	var script, sheet Output
	go func() {
		defer close(done)
		ctx := context.Background()
		for _, get := range []func() error{
			func() (err error) { _, err = s.b.Script(ctx, "main.js"); return },
			func() (err error) { _, err = s.b.Style(ctx, "sheet.css"); return },
			func() (err error) { script, err = s.b.Resource(ctx, "map", url.Values{"id": {"/main.js"}}); return },
			func() (err error) { sheet, err = s.b.Resource(ctx, "map", url.Values{"id": {"/sheet.css"}}); return },
		} {
			if err := get(); err != nil {
				t.Error(err)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for a pipe")
	}
	text := string(script.Body)
	for _, want := range []string{"shown: good", "shown: data", "console.log('evil')", "console.log('pipe')", "console.log('data')", "console.log('outside')"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the map:\n%.3000s", want, text)
		}
	}
	if strings.Contains(text, "SECRET") || !strings.Contains(string(sheet.Body), "a {}") {
		t.Errorf("maps:\n%.3000s\n%s", text, sheet.Body)
	}
}

func TestShares(t *testing.T) {
	b, err := New(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.resolver.dir, "a.js")
	for ref, want := range map[string]bool{
		`\\host\share\x.map`: false, "//host/share/x.map": false, "file://///host/share/x.map": false, `\\.\pipe\x`: false,
		"/dev/zero": false, "x.map\u00a0y": true, "x.map": true, "https://example.com/x.map": true, "data:,{}": true, "data:,null": true,
		`data:,{"sources":["file://///host/share/x.ts"]}`: false, `data:,{"sources":["\\\\host\\x.ts"]}`: false, "data:,%": true, "": true,
	} {
		if got := b.mayRead(ref, path); got != want {
			t.Errorf("mayRead(%q) is %v", ref, got)
		}
	}
}
