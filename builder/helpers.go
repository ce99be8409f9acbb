package builder

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

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
//	// main.tsx
//	var main_exports = {};
//	__export(main_exports, {
//	  default: () => App,
//	  "a-b": () => ab
//	});
//	module.exports = __toCommonJS(main_exports);
//	__reExport(main_exports, require("/src/b.ts"), module.exports);
func scanExports(code []byte) (names, reExports []string) {
	object := exportsObject(code)
	if object == "" {
		return nil, nil
	}
	const before, inside, after = 0, 1, 2
	at := before
	for line := range bytes.Lines(code) {
		if at == inside {
			if name, ok := exportName(line); ok {
				names = append(names, name)
				continue
			}
			at = after
		}
		if at == before && opensExports(line, object) {
			at = inside
		} else if bytes.HasPrefix(line, []byte("__reExport")) && bytes.Contains(line, []byte("("+object+", require(")) {
			if id, ok := required(line); ok {
				reExports = append(reExports, id)
			}
		}
	}
	return names, reExports
}

// opensExports reports whether line begins the list of what object gets: "__export(object, {", or "__export2(…".
func opensExports(line []byte, object string) bool {
	rest, ok := bytes.CutPrefix(line, []byte("__export"))
	return ok && bytes.HasPrefix(bytes.TrimLeft(rest, "0123456789"), []byte("("+object+", {\n"))
}

// sectionOf is the part of esbuild's output that begins with the line that names a file.
func sectionOf(code []byte, name string) []byte {
	_, body := splitHeader(code)
	line := []byte("// " + name + "\n")
	if i := bytes.Index(body, append([]byte("\n"), line...)); i >= 0 && !bytes.HasPrefix(body, line) {
		return body[i+1:]
	}
	return body
}

// exportsObject is the variable in which esbuild's output, from the line that names the file, collects what the
// module exports; "" if it has none.
func exportsObject(body []byte) string {
	_, rest, _ := bytes.Cut(body, []byte("\n"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	name, isVar := bytes.CutPrefix(line, []byte("var "))
	name, isObject := bytes.CutSuffix(name, []byte(" = {};"))
	if !isVar || !isObject {
		return ""
	}
	return string(name)
}

// exportName reads the name in a line like "  name: () => local". Names that are no identifiers stand in quotes of any
// kind, and __proto__ in brackets.
func exportName(line []byte) (string, bool) {
	key, ok := bytes.CutPrefix(line, []byte("  "))
	if !ok || len(key) == 0 {
		return "", false
	}
	key = bytes.TrimPrefix(key, []byte("["))
	if len(key) > 0 && (key[0] == '"' || key[0] == '\'' || key[0] == '`') {
		end := literalEnd(key)
		return unquote(key[:end]), end > 1 && bytes.Contains(key[end:], []byte(": () => "))
	}
	name, _, ok := bytes.Cut(key, []byte(": () => "))
	return string(name), ok
}

// literalEnd is where the string literal that text starts with ends; 0 if it does not.
func literalEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return 0
}

// required finds the ID in a line with require("ID").
func required(line []byte) (id string, ok bool) {
	_, rest, ok := bytes.Cut(line, []byte("require("))
	if !ok || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' && rest[0] != '`' {
		return "", false
	}
	end := literalEnd(rest)
	return unquote(rest[:end]), end > 1
}

// scanUses reads off esbuild's output which names a module takes from the modules that it
// imports: each import statement became a variable, and each use of a name a property of it. A
// string that happens to look like one is counted too: who acts on a use confirms it first.
//
//	var import_b = __toESM(require("/src/b.ts"));
//	console.log(import_b.greet);
func scanUses(code []byte) []use {
	vars := requiredVars(code)
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

// requiredVars maps the variables that hold imported modules to the modules' IDs.
func requiredVars(code []byte) map[string]string {
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
	return vars
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// unquote reads a string literal as esbuild prints it, in quotes of any kind; "" is what is none.
func unquote(lit []byte) string {
	if len(lit) < 2 {
		return ""
	}
	var out []uint16
	text := string(lit[1 : len(lit)-1])
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if r != '\\' || i == len(text) {
			out = utf16.AppendRune(out, r)
			continue
		}
		r, size = utf8.DecodeRuneInString(text[i:])
		i += size
		digits := 0
		switch r {
		case 'b', 'f', 'n', 'r', 't', 'v', '0':
			r = rune("\b\f\n\r\t\v\x00"[strings.IndexRune("bfnrtv0", r)])
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		}
		if digits == 0 {
			out = utf16.AppendRune(out, r)
			continue
		}
		if i < len(text) && text[i] == '{' {
			hex, _, _ := strings.Cut(text[i+1:], "}")
			n, _ := strconv.ParseUint(hex, 16, 32)
			out = utf16.AppendRune(out, rune(n))
			i = min(i+len(hex)+2, len(text))
			continue
		}
		end := min(i+digits, len(text))
		n, _ := strconv.ParseUint(text[i:end], 16, 16) // half of a surrogate pair may be
		out = append(out, uint16(n))
		i = end
	}
	return string(utf16.Decode(out))
}
