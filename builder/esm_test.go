package builder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestESM runs small graphs of modules twice in Node: as native modules and as devserve's
// bundle. Both must print the same lines, errors included.
//
// A folder of an archive is a case; it starts at its file main.*. A file "deviation" in it has the reason, in lines
// that start with "# ", why the bundle prints something else, and what. A file "want" has that for
// what Node cannot run natively, as TypeScript: there the reason says where the expectation is from.
func TestESM(t *testing.T) {
	cases := esmCases(t)
	results := runESM(t, cases)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := results[i]
			want, reason := got.Native, ""
			switch {
			case c.want != nil:
				want, reason = c.want, c.reason
			case c.deviation != nil:
				want, reason = c.deviation, c.reason
				if slices.Equal(got.Native, want) {
					t.Errorf("it is what Node prints too: it deviates no more")
				}
			}
			if (c.want != nil || c.deviation != nil) && reason == "" {
				t.Error("no reason is given")
			}
			if !slices.Equal(got.Bundle, want) {
				t.Errorf("got:\n\t%s\nwant:\n\t%s\nnative:\n\t%s\nbuild errors: %+v", strings.Join(got.Bundle, "\n\t"), strings.Join(want, "\n\t"),
					strings.Join(got.Native, "\n\t"), c.site.last().Errors)
			}
		})
	}
}

// An esmCase is one graph of modules.
type esmCase struct {
	name            string // group/case
	main            string
	site            *site
	want, deviation []string
	reason          string
}

type esmResult struct{ Native, Bundle []string }

func esmCases(t *testing.T) []*esmCase {
	groups, err := filepath.Glob("testdata/esm/*.txtar")
	if err != nil || len(groups) == 0 {
		t.Fatal("no cases: ", err)
	}
	var out []*esmCase
	for _, group := range groups {
		a, err := txtar.ParseFile(group)
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*txtar.Archive{}
		var names []string
		for _, f := range a.Files {
			name, rest, ok := strings.Cut(f.Name, "/")
			if !ok {
				t.Fatalf("%s: %s is in no folder", group, f.Name)
			}
			if byName[name] == nil {
				byName[name] = &txtar.Archive{}
				names = append(names, name)
			}
			byName[name].Files = append(byName[name].Files, txtar.File{Name: rest, Data: f.Data})
		}
		for _, name := range names {
			out = append(out, newESMCase(t, strings.TrimSuffix(filepath.Base(group), ".txtar")+"/"+name, byName[name]))
		}
	}
	return append(out, generatedESMCases(t)...)
}

func newESMCase(t *testing.T, name string, a *txtar.Archive) *esmCase {
	c := &esmCase{name: name}
	files := &txtar.Archive{}
	for _, f := range a.Files {
		switch {
		case f.Name == "want":
			c.reason, c.want = expectation(f.Data)
			continue
		case f.Name == "deviation":
			c.reason, c.deviation = expectation(f.Data)
			continue
		case strings.HasPrefix(f.Name, "main."):
			c.main = f.Name
		}
		f.Data = unescapeBytes(f.Data)
		files.Files = append(files.Files, f)
	}
	if c.main == "" {
		t.Fatal(name, ": no main")
	}
	c.site = newSite(t, files, Options{Base: "/" + name + "/"})
	return c
}

// unescapeBytes lets an archive hold what its format cannot, as «hex»: a byte order mark, carriage returns, no line end at the
// end of a file («» there).
func unescapeBytes(data []byte) []byte {
	data = bytes.TrimSuffix(data, []byte("«»\n"))
	var out []byte
	for {
		before, rest, ok := bytes.Cut(data, []byte("«"))
		out = append(out, before...)
		if !ok {
			return out
		}
		hex, after, _ := bytes.Cut(rest, []byte("»"))
		var b []byte
		fmt.Sscanf(string(hex), "%x", &b)
		out, data = append(out, b...), after
	}
}

func expectation(data []byte) (reason string, lines []string) {
	lines = []string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "# "); ok {
			reason += text + " "
		} else {
			lines = append(lines, line)
		}
	}
	return reason, lines
}

// runESM runs all cases in one process.
func runESM(t *testing.T, cases []*esmCase) []esmResult {
	t.Helper()
	bases := map[string]*esmCase{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(r.URL.EscapedPath(), "/", 4)
		if len(parts) < 4 || bases[parts[1]+"/"+parts[2]] == nil {
			http.NotFound(w, r)
			return
		}
		out, err := bases[parts[1]+"/"+parts[2]].site.serve(r, parts[3])
		if errors.Is(err, ErrNotFound) {
			http.NotFound(w, r)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", out.ContentType)
		_, _ = w.Write(out.Body)
	}))
	defer server.Close()

	type input struct {
		Native string `json:"native"`
		Bundle string `json:"bundle"`
		Base   string `json:"base"`
		Dir    string `json:"dir"`
	}
	inputs := []input{}
	for _, c := range cases {
		bases[c.name] = c
		base := server.URL + "/" + c.name + "/"
		in := input{Bundle: base + c.main, Base: base, Dir: (&url.URL{Scheme: "file", Path: c.site.dir + "/"}).String()}
		if c.want == nil {
			in.Native = in.Dir + c.main
		}
		inputs = append(inputs, in)
	}
	data, err := json.Marshal(inputs)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	node := exec.Command("node", "testdata/esm/driver.mjs")
	node.Stdin, node.Stdout, node.Stderr = bytes.NewReader(data), &stdout, &stderr
	if err := node.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	var results []esmResult
	if err := json.Unmarshal(stdout.Bytes(), &results); err != nil || len(results) != len(cases) {
		t.Fatalf("node: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	return results
}

// serve answers as package server does.
func (s *site) serve(r *http.Request, path string) (Output, error) {
	if rest, ok := strings.CutPrefix(path, resourcePrefix); ok {
		return s.b.Resource(r.Context(), rest, r.URL.Query())
	}
	name, err := url.PathUnescape(path)
	if err != nil {
		return Output{}, ErrNotFound
	}
	return s.b.Script(r.Context(), name)
}

// generatedESMCases are those that are too long to be written down.
func generatedESMCases(t *testing.T) []*esmCase {
	var out []*esmCase
	add := func(name, want string, files ...txtar.File) {
		if want != "" {
			files = append(files, txtar.File{Name: "want", Data: []byte(want)})
		}
		out = append(out, newESMCase(t, "generated/"+name, &txtar.Archive{Files: files}))
	}
	file := func(name, format string, args ...any) txtar.File {
		return txtar.File{Name: name, Data: fmt.Appendf(nil, format, args...)}
	}
	chain := func(n int, last string) []txtar.File {
		files := []txtar.File{file("main.mjs", "import { x } from './m1.mjs';\nconsole.log(x);\n")}
		for i := 1; i < n; i++ {
			files = append(files, file(fmt.Sprintf("m%d.mjs", i), "import { x as y } from './m%d.mjs';\nexport const x = y + 1;\n", i+1))
		}
		return append(files, file(fmt.Sprintf("m%d.mjs", n), "%s", last))
	}
	add("chain", "", chain(400, "export const x = 1;\n")...)
	add("chain-that-waits", "", chain(300, "export const x = await 1;\n")...)
	add("chain-that-throws", "", chain(300, "throw new Error('at the end');\nexport const x = 1;\n")...)

	// The modules of the deep chain are compiled before, side by side, as that takes less time.
	const deep = 5000
	files := chain(deep, "export const x = 1;\n")
	files[0] = file("main.mjs", "later(import('./m2.mjs').then(({ x }) => import('./m1.mjs').then((one) => console.log(x, one.x))));\n")
	var all strings.Builder
	for i := 1; i <= deep; i++ {
		fmt.Fprintf(&all, "import './m%d.mjs';\n", i)
	}
	add("deep-chain", "# Node's own linker overflows the stack above 3,000; a bundle need not.\n4999 5000\n", append(files, file("all.mjs", "%s", all.String()))...)
	if _, err := out[len(out)-1].site.b.Script(t.Context(), "all.mjs"); err != nil {
		t.Fatal(err)
	}

	var wide []txtar.File
	var imports, sum strings.Builder
	for i := range 3000 {
		wide = append(wide, file(fmt.Sprintf("m%d.mjs", i), "export const x%d = %d;\n", i, i))
		fmt.Fprintf(&imports, "import { x%d } from './m%d.mjs';\n", i, i)
		fmt.Fprintf(&sum, " + x%d", i)
	}
	wide = append(wide, file("main.mjs", "%sconsole.log(0%s);\n", imports.String(), sum.String()))
	add("wide", "", wide...)

	var barrel []txtar.File
	var stars strings.Builder
	for i := range 300 {
		barrel = append(barrel, file(fmt.Sprintf("m%d.mjs", i), "export const x%d = %d;\nexport default 0;\n", (i*617)%300, i))
		fmt.Fprintf(&stars, "export * from './m%d.mjs';\n", i)
	}
	barrel = append(barrel, file("barrel.mjs", "%s", stars.String()),
		file("main.mjs", "import * as ns from './barrel.mjs';\nconsole.log(Object.keys(ns).join(), Object.values(ns).join());\n"))
	add("barrel", "", barrel...)
	return out
}
