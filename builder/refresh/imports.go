package refresh

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2/js"
)

// An imported is a name that the source imports: import { name as local } from "spec".
type imported struct{ spec, name, local string }

// importsOf finds the imports of a module. It may take for one what is in a comment or a string; and so
// may who asks: nothing worse comes of it than a component that is mounted anew.
func importsOf(source []byte) []imported {
	var out []imported
	for rest := source; ; {
		i := bytes.Index(rest, []byte("import"))
		if i < 0 {
			return out
		}
		rest = rest[i+len("import"):]
		end := bytes.IndexAny(rest, `"';(`)
		if end < 0 {
			return out
		}
		if rest[end] != '"' && rest[end] != '\'' {
			continue
		}
		clause, ok := bytes.CutSuffix(bytes.TrimSpace(rest[:end]), []byte("from"))
		length := bytes.IndexByte(rest[end+1:], rest[end])
		if !ok || length < 0 {
			continue
		}
		spec := string(rest[end+1:][:length])
		first, named, _ := strings.Cut(string(clause), "{")
		for _, local := range strings.FieldsFunc(first, isSpaceOrComma) {
			if local != "type" {
				out = append(out, imported{spec, "default", local})
			}
			if local == "*" {
				break
			}
		}
		named, _, _ = strings.Cut(named, "}")
		for item := range strings.SplitSeq(named, ",") {
			words := strings.Fields(item)
			if len(words) > 1 && words[0] == "type" {
				words = words[1:]
			}
			switch len(words) {
			case 1:
				out = append(out, imported{spec, words[0], words[0]})
			case 3:
				out = append(out, imported{spec, words[0], words[2]})
			}
		}
	}
}

func isSpaceOrComma(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// matches reports whether a specifier may have led to the module with that ID.
func matches(spec, id string) bool {
	for _, ext := range []string{".js", ".jsx", ".mjs", ".ts", ".tsx"} {
		spec = strings.TrimSuffix(spec, ext)
	}
	spec = strings.TrimLeft(spec, "./")
	_, aliased, _ := strings.Cut(spec, "/") // "@/hooks"
	return strings.Contains("/"+id, "/"+spec) || strings.ContainsAny(spec[:min(1, len(spec))], "@~#") && strings.Contains(id, "/"+aliased)
}

// isLibrary reports whether the module with that ID is none of the site's own: what it exports has no signature.
func isLibrary(id string) bool {
	return strings.Contains(id, "node_modules/") || !strings.HasPrefix(id, "/") && !strings.HasPrefix(id, ".")
}

// asWritten takes off the digits that esbuild has put behind names, which another part of the module may use too, so that
// they come and go: "[n2, setN]".
func (m *module) asWritten(text string) string {
	if !strings.ContainsAny(text, "0123456789") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		start := i
		for i < len(text) && isWord(text[i]) {
			i++
		}
		word := text[start:i]
		if i == start {
			i++
			word = text[start:i]
		} else if isDigit(word[len(word)-1]) && !isDigit(word[0]) {
			if m.numbered == nil {
				m.numbered = numberedWords(m.source)
			}
			if !m.numbered[word] {
				word = strings.TrimRight(word, "0123456789")
			}
		}
		out.WriteString(word)
	}
	return out.String()
}

// numberedWords are the words in text that end in a digit.
func numberedWords(text []byte) map[string]bool {
	words := map[string]bool{}
	for i := 0; i < len(text); i++ {
		start := i
		for i < len(text) && isWord(text[i]) {
			i++
		}
		if i > start && isDigit(text[i-1]) {
			words[string(text[start:i])] = true
		}
	}
	return words
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || isUpper(c) || c == '_' || c == '$' || c >= 0x80
}

// A member is a property of an import.
type member struct {
	of   *js.Var
	name string
}

// nameOf is the name by which the source calls something, or its last part; "" if it has none.
func (m *module) nameOf(e js.IExpr) string {
	switch e := unwrap(e).(type) {
	case *js.Var:
		return string(e.Name())
	case *js.DotExpr:
		y, ok := e.Y.(js.LiteralExpr)
		if !ok {
			return ""
		}
		name := string(y.Data)
		if isHook(name) || !m.isImported(e) {
			return name
		}
		of := resolve(e.X.(*js.Var))
		local, ok := m.renamed[member{of, name}]
		if !ok {
			local = m.local(m.required[of], name)
			m.renamed[member{of, name}] = local
		}
		return local
	}
	return ""
}

// hookImports are the names of imports that are hooks by the name that the source gives them.
func (m *module) hookImports() map[string]bool {
	names := map[string]bool{}
	for _, i := range m.imported {
		if isHook(i.local) && !isHook(i.name) {
			names[i.name] = true
		}
	}
	return names
}

// isImported reports whether e is what esbuild made of a name that the source imports: import_react.memo.
func (m *module) isImported(e *js.DotExpr) bool {
	v, ok := e.X.(*js.Var)
	return ok && m.required[resolve(v)] != "" && bytes.HasPrefix(v.Name(), []byte("import_"))
}

// local is the name by which the source may know what the module with that ID exports as name. Where specifiers do not tell
// which module is which, it is one that makes it a hook or a component.
func (m *module) local(id, name string) string {
	var candidates []string
	sure := false
	for _, i := range m.imported {
		if i.name != name {
			continue
		}
		if matches(i.spec, id) && !sure {
			sure, candidates = true, nil
		}
		if matches(i.spec, id) || !sure {
			candidates = append(candidates, i.local)
		}
	}
	for _, likely := range []func(string) bool{isHook, isComponentish, func(string) bool { return true }} {
		if i := slices.IndexFunc(candidates, likely); i >= 0 {
			return candidates[i]
		}
	}
	return name
}
