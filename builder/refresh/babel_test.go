package refresh

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestBabel compares what is found in the written modules, and after edits of them, with what react-refresh's Babel plugin
// finds in the same source. A file "babel" of a case has the differences, below the reason in lines that start with "# ".
func TestBabel(t *testing.T) {
	cases := writtenCases(t)
	var sources []source
	for _, c := range cases {
		sources = append(sources, source{Name: c.name, Source: string(c.source), Edits: c.edits})
	}
	for i, r := range runBabel(t, sources, 12) {
		c := cases[i]
		t.Run(c.name, func(t *testing.T) {
			reason, want := expectation(c.babel)
			if got := differences(t, sources[i], r); !slices.Equal(got, want) {
				t.Errorf("differences from Babel:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
			if len(want) > 0 && reason == "" {
				t.Error("no reason is given")
			}
		})
	}
}

// TestBabelOnPackages does the same with the components of packages that ship their source. The differences and their
// reasons are in testdata/deviations.txt.
func TestBabelOnPackages(t *testing.T) {
	root := filepath.Join(babelFixture(t), "node_modules")
	var sources []source
	for _, dir := range []string{"@rjsf/core/src", "ra-ui-materialui/src", "react-native-paper/src"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".tsx") {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(root, path)
			sources = append(sources, source{Name: filepath.ToSlash(name), Source: string(data)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile("testdata/deviations.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, want := expectation(string(data))
	var got []string
	for i, r := range runBabel(t, sources, 3) {
		checkReduce(t, compile(t, sources[i].Name, sources[i].Source), []byte(sources[i].Source))
		for _, d := range differences(t, sources[i], r) {
			got = append(got, sources[i].Name+": "+d)
		}
	}
	for _, d := range got {
		if !slices.Contains(want, d) {
			t.Errorf("a difference from Babel that is not listed: %s", d)
		}
	}
	for _, d := range want {
		if !slices.Contains(got, d) {
			t.Errorf("a difference from Babel that is listed is none: %s", d)
		}
	}
}

// expectation splits a list of differences into its reasons, in lines that start with "# ", and the rest.
func expectation(text string) (reason string, lines []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if r, ok := strings.CutPrefix(line, "# "); ok {
			reason += r
		} else if line != "" {
			lines = append(lines, line)
		}
	}
	return reason, lines
}

// A source is a module for compare.mjs.
type source struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Edits  []edit `json:"edits"`
}

type edit struct {
	What   string `json:"what"`
	Source string `json:"source"`
}

// A result is what is registered in a module, and what is signed, by name.
type result struct {
	Registered []string         `json:"registered"`
	Signatures map[string][]sig `json:"signatures"`
}

type sig struct {
	Key   string   `json:"key"`
	Reset bool     `json:"reset"`
	Hooks []string `json:"hooks"`
}

// compared is what compare.mjs answers for a source.
type compared struct {
	result
	Error string `json:"error"`
	Edits []struct {
		edit
		result
	} `json:"edits"`
}

// babelFixture returns the folder of compare.mjs, with its packages installed.
func babelFixture(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("testdata/babel")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return dir // npm writes it last
	}
	npm := exec.Command("npm", "ci")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm ci in %s: %v\n%s", dir, err, out)
	}
	return dir
}

// runBabel runs compare.mjs, which makes up to a number of edits of each source.
func runBabel(t *testing.T, sources []source, edits int) []compared {
	t.Helper()
	input, err := json.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command("node", "compare.mjs", strconv.Itoa(edits))
	node.Dir = babelFixture(t)
	node.Stdin = bytes.NewReader(input)
	var stderr strings.Builder
	node.Stderr = &stderr
	output, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	var out []compared
	if err := json.Unmarshal(output, &out); err != nil || len(out) != len(sources) {
		t.Fatalf("%d results: %v\n%s", len(out), err, output)
	}
	for _, r := range out {
		if r.Error != "" {
			t.Fatal(r.Error)
		}
	}
	return out
}

// differences lists where Babel and we differ in effect: in what is registered, in whether state is kept in any case, and in
// whether an edit keeps it.
func differences(t *testing.T, s source, babel compared) []string {
	t.Helper()
	ours, code := ourResult(t, s.Name, s.Source)
	var out []string
	for _, name := range ours.Registered {
		if !slices.Contains(babel.Registered, name) {
			out = append(out, "registered only here: "+name)
		}
	}
	for _, name := range babel.Registered {
		if !slices.Contains(ours.Registered, name) && isUsed(code, name) {
			out = append(out, "registered only by Babel: "+name)
		}
	}
	var names []string
	for name := range babel.Signatures {
		if ours.Signatures[name] == nil {
			if isUsed(code, name) {
				out = append(out, "signed only by Babel: "+name)
			}
			continue
		}
		names = append(names, name)
	}
	slices.Sort(out)
	slices.Sort(names)
	for _, name := range names {
		_, oursReset := ours.full(name, nil)
		_, theirs := babel.full(name, nil)
		if oursReset != theirs {
			out = append(out, "reset only "+map[bool]string{true: "here", false: "by Babel"}[oursReset]+": "+name)
		}
	}
	for _, e := range babel.Edits {
		after, code := ourResult(t, s.Name, e.Source)
		for _, name := range names {
			if !isUsed(code, name) {
				continue
			}
			here, there := changed(ours, after, name), changed(babel.result, e.result, name)
			_, resets := ours.full(name, nil)
			_, theirs := babel.full(name, nil)
			if here != there && resets == theirs {
				out = append(out, "mounted anew only "+map[bool]string{true: "here", false: "by Babel"}[here]+": "+name+" after: "+e.What)
			}
		}
	}
	return out
}

// isUsed reports whether the code has that name still. What is not used in a module esbuild leaves out.
func isUsed(code []byte, name string) bool {
	root := name[:strings.IndexAny(name+".", ".$")]
	return name == "%default%" || bytes.Contains(code, []byte(root))
}

// ourResult is what Analyze finds in a source, and the code that it was given.
func ourResult(t *testing.T, name, source string) (result, []byte) {
	t.Helper()
	code := compile(t, name, source)
	entries, ok := analyze(code, []byte(source))
	if !ok {
		t.Fatalf("%s could not be read", name)
	}
	r := result{Signatures: map[string][]sig{}}
	for _, e := range entries {
		if isUpper(e.name[0]) || e.name == "%default%" {
			r.Registered = append(r.Registered, e.name)
		}
		if e.signature != nil {
			r.Signatures[strings.TrimPrefix(e.name, ".")] = []sig{{strings.Join(e.keys, "\n;\n"), e.reset, e.hooks}}
		}
	}
	return r, code
}

// full is a signature as react-refresh sums it up: with those of the module's own custom hooks.
func (r result) full(name string, seen []string) (key string, reset bool) {
	if slices.Contains(seen, name) {
		return "", false
	}
	seen = append(seen, name)
	for _, s := range r.Signatures[name] {
		key += "signed " + s.Key
		reset = reset || s.Reset
		for _, h := range s.Hooks {
			k, again := r.full(h, seen)
			key += "\n" + k
			reset = reset || again
		}
	}
	return key, reset
}

// changed reports whether React throws away the state of what has that name.
func changed(before, after result, name string) bool {
	was, _ := before.full(name, nil)
	is, reset := after.full(name, nil)
	return was != is || reset
}
