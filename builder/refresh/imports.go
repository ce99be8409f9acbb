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
		v, ok := e.X.(*js.Var)
		if !ok || isHook(name) || !bytes.HasPrefix(v.Name(), []byte("import_")) {
			return name
		}
		of := resolve(v)
		id, ok := m.required[of]
		if !ok {
			return name
		}
		local, ok := m.renamed[member{of, name}]
		if !ok {
			local = m.local(id, name)
			m.renamed[member{of, name}] = local
		}
		return local
	}
	return ""
}

// local is the name by which the source may know what the module with that ID exports as name. Where specifiers do not tell
// which module is which, it is one that makes it a hook or a component.
func (m *module) local(id, name string) string {
	if m.imported == nil {
		m.imported = append(importsOf(m.source), imported{})
	}
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
