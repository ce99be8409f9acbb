// Package refresh does for Fast Refresh, of React and of Preact, what react-refresh's Babel plugin does, but reads
// the output of esbuild, where JSX and types are gone, and adds one line at its end.
//
// The line tells the host (client/src/refresh.ts) about the module's components and hooks:
//
//	__import_meta.refresh?.([["App", App, ["useState{[n, setN](0)}\nuseForm{}", false, () => [import_form.useForm]]], …]);
//
// An entry has a name, a function that gives the value, and, where hooks are called, a signature: the key, whether
// state is lost in any case, and a function that gives the custom hooks among them, whose own signatures count too. What
// the host does with an entry:
//
//   - it registers the value if the name begins with a capital letter or is "%default%", as the plugin would;
//   - it sets the signature, if there is one, on the value, of any name: custom hooks have lower-case names, and names of
//     what is only reached in another way begin with a dot (".Tabs.Panel", ".api.useUser").
//
// Of memo(forwardRef(() => …)) the signature is the inner function's, on the outermost value: setSignature of
// react-refresh's runtime goes inward from there by itself.
//
// The plugin's calls inside of function bodies sign every function, nested ones too. From outside only those can be
// signed that a top-level name leads to. What stands in for the others: the key of a function that calls no hooks
// itself but has inner functions that do, as a higher-order component or a factory of hooks, is made of theirs; and what
// a call of such a function returns refers to it as to a custom hook. So their products change when they do.
package refresh

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// Analyze returns the line to put after code, which is what esbuild made of the module source in CommonJS format;
// "" if there is nothing to tell. The line ends in a newline, and expects code to. When code cannot be read, ok is false.
//
// The source is read for what esbuild drops: comments with "@refresh reset", and the names that imports have in it.
func Analyze(code, source []byte) (suffix string, ok bool) {
	entries, ok := analyze(code, source)
	return line(entries), ok
}

func analyze(code, source []byte) (entries []entry, ok bool) {
	if !mayMatter(code, source) {
		return nil, true
	}
	defer func() {
		if recover() != nil { // the parser's, on what no compiler prints
			entries, ok = nil, false
		}
	}()
	m := newModule(source)
	ast, err := parseScript(reduce(code, m.hookImports(), m.shown))
	if err != nil {
		return nil, false
	}
	m.read(ast)
	return m.entries(), true
}

// parseScript parses code as that of a function, which may return.
func parseScript(code []byte) (*js.AST, error) {
	return js.Parse(parse.NewInputBytes(code), js.Options{Inline: true})
}

// mayMatter reports whether a module calls hooks, or has a name that a component may have, or a default export.
func mayMatter(code, source []byte) bool {
	for rest := source; ; {
		i := bytes.Index(rest, []byte("use"))
		if i < 0 {
			break
		}
		rest = rest[i+3:]
		if len(rest) > 0 && isUpper(rest[0]) {
			return true
		}
	}
	for line := range bytes.Lines(code) {
		line = bytes.TrimPrefix(line, []byte("async "))
		keyword, name, _ := bytes.Cut(line, []byte(" "))
		switch string(keyword) {
		case "var", "let", "const", "function", "function*":
			if len(name) > 0 && isUpper(name[0]) || bytes.Contains(name, []byte("_default")) {
				return true
			}
		}
	}
	return false
}

// An entry is what the host is told of a binding.
type entry struct {
	name  string
	value string // JavaScript that gives the value
	*signature
}

// entries lists the bindings that matter to the host, in the order of the code.
func (m *module) entries() []entry {
	var out []entry
	for _, b := range m.bindings {
		registered := m.isRegistered(b)
		sig := m.signature(b, registered)
		if !registered && sig == nil {
			continue
		}
		name := m.asWritten(b.name)
		switch {
		case b.synthetic:
			name = "%default%"
			if !registered {
				name = ".%default%"
			}
		case !registered && (isUpper(name[0]) || b.variable == nil):
			name = "." + name
		}
		out = append(out, entry{name, strings.ReplaceAll(b.name, ".", "?."), sig})
	}
	return out
}

// line writes the call of the host.
func line(entries []entry) string {
	if len(entries) == 0 {
		return ""
	}
	var out strings.Builder
	out.WriteString("__import_meta.refresh?.([")
	for i, e := range entries {
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteString("[" + quote(e.name) + ", " + e.value)
		if e.signature != nil {
			out.WriteString(", [" + quote(strings.Join(e.keys, "\n;\n")) + ", " + strconv.FormatBool(e.reset))
			if len(e.hooks) > 0 {
				out.WriteString(", () => [" + strings.Join(e.hooks, ", ") + "]")
			}
			out.WriteString("]")
		}
		out.WriteString("]")
	}
	out.WriteString("]);\n")
	return out.String()
}

// isRegistered reports whether the plugin would give a binding a name for React.
func (m *module) isRegistered(b *binding) bool {
	if b.variable == nil || !isUpper(b.name[0]) && !b.synthetic {
		return false
	}
	if b.declared == nil { // a function declaration
		return b.function
	}
	switch e := unwrap(b.declared).(type) {
	case *js.ArrowFunc, *js.FuncDecl:
		return m.isComponent(e)
	case *js.CallExpr:
		name := m.nameOf(callee(e))
		if strings.HasPrefix(name, "require") || strings.HasPrefix(name, "import") || isDynamicImport(e) || isElement([]byte(name)) {
			return false
		}
		return m.isComponent(e) || !b.synthetic && m.shown[b.name]
	case *js.TemplateExpr:
		return e.Tag != nil && !b.synthetic && m.shown[b.name]
	}
	return false
}

// isComponent is the plugin's findInnerComponents: a function, or a call whose first argument is a component.
func (m *module) isComponent(e js.IExpr) bool {
	switch e := unwrap(e).(type) {
	case *js.Var:
		return isComponentish(m.nameOf(e))
	case *js.DotExpr: // an import by name has become a property
		return m.isImported(e) && isComponentish(m.nameOf(e))
	case *js.FuncDecl:
		return true
	case *js.ArrowFunc:
		if len(e.Body.List) == 1 { // see reducer.opens
			if r, ok := e.Body.List[0].(*js.ReturnStmt); ok {
				_, curried := unwrap(r.Value).(*js.ArrowFunc)
				return !curried
			}
		}
		return true
	case *js.CallExpr:
		if len(e.Args.List) == 0 || isDynamicImport(e) {
			return false
		}
		switch callee(e).(type) {
		case *js.Var, *js.DotExpr, *js.IndexExpr:
			return m.isComponent(e.Args.List[0].Value)
		}
	}
	return false
}

// isDynamicImport reports whether e is what esbuild makes of import("…").
func isDynamicImport(e *js.CallExpr) bool {
	d, ok := e.X.(*js.DotExpr)
	return ok && text(d) == "Promise.resolve().then"
}

func isComponentish(name string) bool { return name != "" && isUpper(name[0]) }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// isHook is the plugin's /^use[A-Z]/.
func isHook(name string) bool {
	return len(name) > 3 && name[:3] == "use" && isUpper(name[3])
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings are no trouble
	return strings.TrimSuffix(b.String(), "\n")
}

// text prints an expression, as one line or more.
func text(n js.INode) string {
	var b strings.Builder
	n.JS(&b)
	return b.String()
}

// unwrap takes the parentheses off an expression.
func unwrap(e js.IExpr) js.IExpr {
	for {
		g, ok := e.(*js.GroupExpr)
		if !ok {
			return e
		}
		e = g.X
	}
}

// callee is what a call calls, without the zero that esbuild puts before: (0, import_react.useState)(1).
func callee(c *js.CallExpr) js.IExpr {
	e := unwrap(c.X)
	if comma, ok := e.(*js.CommaExpr); ok && len(comma.List) == 2 {
		if zero, ok := comma.List[0].(*js.LiteralExpr); ok && string(zero.Data) == "0" {
			return unwrap(comma.List[1])
		}
	}
	return e
}
