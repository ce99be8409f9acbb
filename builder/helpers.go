package builder

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// esbuild prints the helpers that a module needs on top of every output, up to the
// first line that starts with "// ". The registry shares one set among all modules
// (client/src/interop.ts), so the copies are cut: about 1 KB a module. A
// helper is cut only when its text is what this version of esbuild is known to print; any
// other stays where it is.

// interop is a module that needs every helper that the registry supplies.
const interop = `
import d, * as ns from "x"
export * from "x"
export { d, ns }
`

// knownHelpers maps the text of each shared helper, as esbuild prints it, to true.
var knownHelpers = sync.OnceValue(func() map[string]bool {
	result := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: interop},
		Bundle: true, Format: api.FormatCommonJS, Target: target_, External: []string{"x"},
	})
	known := map[string]bool{}
	if len(result.OutputFiles) == 1 {
		header, _ := splitHeader(result.OutputFiles[0].Contents)
		for _, s := range statements(header) {
			known[string(s)] = true
		}
	}
	return known
})

// cutHelpers returns code without the shared helpers, and how many lines that took away.
func cutHelpers(code []byte) (rest []byte, dropped int) {
	header, body := splitHeader(code)
	if len(header) == 0 {
		return code, 0
	}
	known := knownHelpers()
	kept := make([]byte, 0, len(code)-len(header))
	for _, s := range statements(header) {
		if known[string(s)] || len(bytes.TrimSpace(s)) == 0 {
			dropped += bytes.Count(s, []byte("\n"))
		} else {
			kept = append(kept, s...)
		}
	}
	return append(kept, body...), dropped
}

// splitHeader cuts code before its first line that starts with "// ".
func splitHeader(code []byte) (header, body []byte) {
	if bytes.HasPrefix(code, []byte("// ")) {
		return nil, code
	}
	i := bytes.Index(code, []byte("\n// "))
	if i < 0 {
		return nil, code
	}
	return code[:i+1], code[i+1:]
}

// statements splits a header into its statements, each with its line ends: one begins at
// a line that is not indented and closes nothing.
func statements(header []byte) [][]byte {
	var out [][]byte
	start := 0
	for i := 0; i < len(header); {
		end := bytes.IndexByte(header[i:], '\n')
		if end < 0 {
			end = len(header) - i - 1
		}
		line := header[i : i+end+1]
		if i > start && !bytes.HasPrefix(line, []byte(" ")) && !bytes.HasPrefix(line, []byte("}")) && !bytes.HasPrefix(line, []byte(")")) {
			out = append(out, header[start:i])
			start = i
		}
		i += end + 1
	}
	if start < len(header) {
		out = append(out, header[start:])
	}
	return out
}

// scanExports reads the names that a module exports off esbuild's output.
//
//	__export(main_exports, {
//	  default: () => App,
//	  "a-b": () => ab
//	});
//	__reExport(main_exports, require("/src/b.ts"), module.exports);
func scanExports(code []byte) (names, reExports []string) {
	inside := false
	for line := range bytes.Lines(code) {
		switch {
		case inside:
			key, _, ok := bytes.Cut(line, []byte(": () => "))
			if inside = ok && bytes.HasPrefix(key, []byte("  ")); !inside {
				continue
			}
			if key = key[2:]; key[0] == '"' {
				names = append(names, unquote(key))
			} else {
				names = append(names, string(key))
			}
		case bytes.HasPrefix(line, []byte("__export(")):
			inside = true
		case bytes.HasPrefix(line, []byte("__reExport(")):
			if id, ok := required(line); ok {
				reExports = append(reExports, id)
			}
		}
	}
	return names, reExports
}

// required finds the ID in a line with require("ID").
func required(line []byte) (id string, ok bool) {
	_, rest, ok := bytes.Cut(line, []byte(`require("`))
	if !ok {
		return "", false
	}
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return unquote(slices.Concat([]byte{'"'}, rest[:i+1])), true
		}
	}
	return "", false
}

// scanUses reads off esbuild's output which names a module takes from the modules that it
// imports: each import statement became a variable, and each use of a name a property of it. A
// string that happens to look like one is counted too: who acts on a use confirms it first.
//
//	var import_b = __toESM(require("/src/b.ts"));
//	console.log(import_b.greet);
func scanUses(code []byte) []use {
	vars := map[string]string{}
	for line := range bytes.Lines(code) {
		if !bytes.HasPrefix(line, []byte("var ")) {
			continue
		}
		name, value, ok := bytes.Cut(line[4:], []byte(" = "))
		if !ok || !bytes.HasPrefix(value, []byte("require(")) && !bytes.HasPrefix(value, []byte("__toESM(require(")) {
			continue
		}
		if id, ok := required(value); ok {
			vars[string(name)] = id
		}
	}
	if len(vars) == 0 {
		return nil
	}
	seen := map[use]bool{}
	for i := 0; i < len(code); {
		if !isWord(code[i]) {
			i++
			continue
		}
		j := i
		for j < len(code) && isWord(code[j]) {
			j++
		}
		id, ok := vars[string(code[i:j])]
		member := i > 0 && code[i-1] == '.'
		i = j
		if !ok || member {
			continue
		}
		if i >= len(code) || code[i] != '.' {
			if !bytes.HasPrefix(code[i:], []byte(" = ")) { // not where it is declared: all of it
				seen[use{id: id, name: "*"}] = true
			}
			continue
		}
		for j = i + 1; j < len(code) && isWord(code[j]); {
			j++
		}
		if u := (use{id: id, name: string(code[i+1 : j])}); u.name != "" {
			seen[u] = true
		}
		i = j
	}
	return slices.SortedFunc(maps.Keys(seen), func(x, y use) int {
		return cmp.Or(strings.Compare(x.id, y.id), strings.Compare(x.name, y.name))
	})
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// unquote reads a string literal as esbuild prints it: JSON but for \x, \v, \0 and the like.
func unquote(lit []byte) string {
	s := string(lit)
	if out, err := unquoteJSON(s); err == nil {
		return out
	}
	return strings.Trim(s, `"`)
}
