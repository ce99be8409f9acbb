package refresh

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/tdewolff/parse/v2/js"
)

// An imported is a name that the source imports: import { name as local } from "spec".
type imported struct{ spec, name, local string }

// imports are all of a module.
type imports struct {
	bySegment map[string][]imported // by the last segment of the specifier
	byName    map[string]string     // the likeliest local name for each name
}

func (s *imports) add(i imported) {
	segment := stem(i.spec[strings.LastIndexByte(i.spec, '/')+1:])
	s.bySegment[segment] = append(s.bySegment[segment], i)
	s.byName[i.name] = likelier(s.byName[i.name], i.local)
}

// likelier is the name that had better not be missed: of a hook, then of a component.
func likelier(a, b string) string {
	if a == "" || isHook(b) && !isHook(a) || isComponentish(b) && !isHook(a) && !isComponentish(a) {
		return b
	}
	return a
}

// stem is the name of a script without its extension.
func stem(file string) string {
	for _, ext := range []string{".js", ".jsx", ".mjs", ".ts", ".tsx"} {
		file = strings.TrimSuffix(file, ext)
	}
	return file
}

// importsOf finds the imports of a module. It may take for one what is in a comment or a string; and so
// may who asks: nothing worse comes of it than a component that is mounted anew.
func importsOf(source []byte) *imports {
	out := &imports{map[string][]imported{}, map[string]string{}}
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
				out.add(imported{spec, "default", local})
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
				out.add(imported{spec, words[0], words[0]})
			case 3:
				out.add(imported{spec, words[0], words[2]})
			}
		}
	}
}

func isSpaceOrComma(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// matches reports whether a specifier may have led to the module with that ID.
func matches(spec, id string) bool {
	spec = strings.TrimLeft(stem(spec), "./")
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
	for name, local := range m.imported.byName {
		if isHook(local) && !isHook(name) {
			names[name] = true
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
	best := ""
	for segment := range strings.SplitSeq(id, "/") {
		for _, i := range m.imported.bySegment[stem(segment)] {
			if i.name == name && matches(i.spec, id) {
				best = likelier(best, i.local)
			}
		}
	}
	return cmp.Or(best, m.imported.byName[name], name)
}
