package refresh

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// A written is one module of testdata, as the archives' comments say, and what is expected of it:
// each entry's name, below it the lines of its key, "reset", and the custom hooks. In edits, each line is one edit to be compared
// with Babel, "old text => new text".
type written struct {
	name   string
	source []byte
	want   string
	edits  []edit
	babel  string
}

func writtenCases(t testing.TB) []*written {
	groups, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(groups) == 0 {
		t.Fatal("no cases: ", err)
	}
	var cases []*written
	for _, group := range groups {
		a, err := txtar.ParseFile(group)
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]*written{}
		for _, f := range a.Files {
			name, file, _ := strings.Cut(f.Name, "/")
			c := byName[name]
			if c == nil {
				c = &written{name: strings.TrimSuffix(filepath.Base(group), ".txtar") + "/" + name}
				byName[name] = c
				cases = append(cases, c)
			}
			switch file {
			case "main.tsx":
				c.source = f.Data
			case "want":
				c.want = string(f.Data)
			case "edits":
				for line := range strings.Lines(string(f.Data)) {
					from, to, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " => ")
					if !ok || !strings.Contains(string(c.source), from) {
						t.Fatalf("%s: %s", c.name, line)
					}
					c.edits = append(c.edits, edit{from + " => " + to, strings.Replace(string(c.source), from, to, 1)})
				}
			case "babel":
				c.babel = string(f.Data)
			default:
				t.Fatalf("%s: what is %s?", group, f.Name)
			}
		}
	}
	return cases
}

func TestAnalyze(t *testing.T) {
	for _, c := range writtenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			entries, ok := analyze(compile(t, "main.tsx", string(c.source)), c.source)
			if !ok {
				t.Fatal("it could not be read")
			}
			if got := show(entries); got != c.want {
				t.Errorf("got:\n%swant:\n%s", got, c.want)
			}
		})
	}
}

// TestReduce compares what is found in reduced code with what is found in all of it.
func TestReduce(t *testing.T) {
	for _, c := range writtenCases(t) {
		t.Run(c.name, func(t *testing.T) { checkReduce(t, compile(t, "main.tsx", string(c.source)), c.source) })
	}
}

func checkReduce(t *testing.T, code, source []byte) {
	t.Helper()
	entries := func(reduce func(code []byte, names, shown map[string]bool) []byte) string {
		m := newModule(source)
		ast, err := parseScript(reduce(code, m.hookImports(), m.shown))
		if err != nil {
			t.Fatal(err)
		}
		m.read(ast)
		return show(m.entries())
	}
	got := entries(reduce)
	want := entries(func(code []byte, _, _ map[string]bool) []byte {
		code = bytes.ReplaceAll(code, []byte("=> {"), []byte("=> {;"))
		return indirect.ReplaceAll(code, []byte("$1"))
	})
	if got != want {
		t.Errorf("of the reduced code:\n%sof all of it:\n%s", got, want)
	}
}

// indirect is how esbuild calls an import.
var indirect = regexp.MustCompile(`\(0, ([\w$.]+)\)`)

// show writes entries as the cases have them.
func show(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.name)
		if !strings.HasSuffix(e.name, "%default%") && strings.TrimPrefix(e.name, ".") != strings.ReplaceAll(e.value, "?.", ".") {
			b.WriteString(" = " + e.value)
		}
		b.WriteString("\n")
		if e.signature == nil {
			continue
		}
		for i, key := range e.keys {
			if i > 0 {
				b.WriteString("\t;\n")
			}
			b.WriteString("\t" + strings.ReplaceAll(key, "\n", "\n\t") + "\n")
		}
		if e.reset {
			b.WriteString("\treset\n")
		}
		for _, h := range e.hooks {
			b.WriteString("\t= " + h + "\n")
		}
	}
	return b.String()
}
