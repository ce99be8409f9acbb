package refresh

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/tdewolff/parse/v2/js"
)

// A module is what a walk over its code has found.
type module struct {
	source []byte

	bindings []*binding
	byName   map[string]*binding
	top      map[*js.Var]bool   // variables of the module's own scope
	required map[*js.Var]string // of these, the imports, by ID
	shown    map[string]bool    // variables that JSX makes elements of
	imported *imports           // what source imports
	resets   bool               // source asks for state to be lost in any case
	renamed  map[member]string  // names in source, as far as they were asked for
	numbered map[string]bool    // words of source that end in a digit, once somebody asked

	// Where the walk is.
	function *function   // the innermost function around, nil outside of all
	found    []*function // the functions outside of all others in the present expression
	called   []js.IExpr  // what it calls outside of functions
}

// A binding is a top-level name, or a path of properties that starts with one.
type binding struct {
	name      string
	variable  *js.Var  // nil for a path
	declared  js.IExpr // what the declaration gives it
	function  bool     // it is a function declaration
	synthetic bool     // esbuild's name for a default export without one
	values    []value  // all that is assigned to it
}

// A value is an expression, by what matters of it.
type value struct {
	direct    bool // the expression is a function, and so the only one of functions
	functions []*function
	callees   []js.IExpr
}

// A function that calls hooks, or has functions in it that do.
type function struct {
	calls []call
	inner []*function
}

// A call of a hook.
type call struct {
	callee js.IExpr
	name   string
	key    string
}

func newModule(source []byte) *module {
	return &module{
		source:   source,
		byName:   map[string]*binding{},
		top:      map[*js.Var]bool{},
		required: map[*js.Var]string{},
		shown:    map[string]bool{},
		renamed:  map[member]string{},
		imported: importsOf(source),
		resets:   asksForReset(source),
	}
}

// read walks over the module's code.
func (m *module) read(ast *js.AST) {
	for _, v := range ast.Declared {
		m.top[v] = true
	}
	for _, s := range ast.List {
		if d, ok := s.(*js.VarDecl); ok && len(d.List) == 1 {
			if v, ok := d.List[0].Binding.(*js.Var); ok {
				if id, ok := requires(d.List[0].Default); ok {
					m.required[resolve(v)] = id
				}
			}
		}
	}
	for _, s := range ast.List {
		m.found, m.called = nil, nil
		m.statement(s)
	}
}

// requires reports which module e is an import of: require("id") or __toESM(require("id")).
func requires(e js.IExpr) (id string, ok bool) {
	c, ok := e.(*js.CallExpr)
	if !ok || len(c.Args.List) == 0 {
		return "", false
	}
	v, ok := c.X.(*js.Var)
	if !ok {
		return "", false
	}
	switch string(v.Name()) {
	case "__toESM":
		return requires(c.Args.List[0].Value)
	case "require":
		lit, ok := c.Args.List[0].Value.(*js.LiteralExpr)
		if !ok || len(lit.Data) < 2 {
			return "", false
		}
		return string(lit.Data[1 : len(lit.Data)-1]), true
	}
	return "", false
}

// resolve follows the parser's links between uses of a variable.
func resolve(v *js.Var) *js.Var {
	for v.Link != nil {
		v = v.Link
	}
	return v
}

// statement walks over a statement of the module's top level.
func (m *module) statement(s js.IStmt) {
	switch s := s.(type) {
	case *js.FuncDecl:
		b := m.bind(string(s.Name.Name()), s.Name)
		b.function = true
		b.synthetic = m.isSynthetic(s.Name.Name())
		m.assign(b, s)
	case *js.ClassDecl:
		m.assign(m.bind(string(s.Name.Name()), s.Name), s)
	case *js.VarDecl:
		for _, e := range s.List {
			v, ok := e.Binding.(*js.Var)
			if !ok {
				m.destructure(e)
				continue
			}
			if _, ok := m.required[resolve(v)]; ok {
				continue
			}
			b := m.bind(string(v.Name()), v)
			if b.declared == nil {
				b.declared = e.Default
				b.synthetic = m.isSynthetic(v.Name())
			}
			m.assign(b, e.Default)
		}
	default:
		m.walk(s)
	}
}

// isSynthetic reports whether a name is esbuild's for a default export that has none.
func (m *module) isSynthetic(name []byte) bool {
	return bytes.HasSuffix(name, []byte("_default")) && !bytes.Contains(m.source, name)
}

// bind returns the binding with that name.
func (m *module) bind(name string, v *js.Var) *binding {
	b := m.byName[name]
	if b == nil {
		b = &binding{name: name, variable: v}
		if v != nil {
			b.variable = resolve(v)
		}
		m.byName[name] = b
		m.bindings = append(m.bindings, b)
	}
	return b
}

// destructure handles const { A, useB } = make().
func (m *module) destructure(e js.BindingElement) {
	v := m.value(e.Default)
	m.walk(e.Binding)
	var each func(js.IBinding)
	each = func(n js.IBinding) {
		switch n := n.(type) {
		case *js.Var:
			if n != nil {
				b := m.bind(string(n.Name()), n)
				b.values = append(b.values, v)
			}
		case *js.BindingArray:
			for _, e := range n.List {
				each(e.Binding)
			}
		case *js.BindingObject:
			for _, i := range n.List {
				each(i.Value.Binding)
			}
		}
	}
	each(e.Binding)
}

// assign walks over an expression and notes it as a value of b, or of properties of b.
func (m *module) assign(b *binding, e js.IExpr) {
	switch o := unwrap(e).(type) {
	case *js.ObjectExpr:
		for _, p := range o.List {
			name := p.Name
			if method, ok := p.Value.(*js.MethodDecl); ok && !method.Get && !method.Set {
				name = &method.Name.PropertyName
			}
			m.property(b, name, p.Value)
		}
	case *js.ClassDecl:
		m.walk(o.Extends)
		for _, e := range o.List {
			switch {
			case e.StaticBlock != nil:
				m.walk(e.StaticBlock)
			case e.Method != nil:
				name := &e.Method.Name.PropertyName
				if !e.Method.Static || e.Method.Get || e.Method.Set || e.Method.Name.Private != nil {
					name = nil
				}
				m.property(b, name, e.Method)
			default:
				name := &e.Field.Name.PropertyName
				if !e.Field.Static || e.Field.Name.Private != nil {
					name = nil
				}
				m.property(b, name, e.Field.Init)
			}
		}
	default:
		b.values = append(b.values, m.value(e))
	}
}

// property is assign for a property of b; one without a plain name is only walked over.
func (m *module) property(b *binding, name *js.PropertyName, e js.IExpr) {
	if name != nil && name.Computed == nil && name.Literal.TokenType == js.IdentifierToken {
		m.assign(m.bind(b.name+"."+string(name.Literal.Data), nil), e)
		return
	}
	if name != nil {
		m.walk(name.Computed)
	}
	m.walk(e)
}

// value walks over an expression outside of all functions.
func (m *module) value(e js.IExpr) value {
	found, called := m.found, m.called
	m.found, m.called = nil, nil
	m.walk(e)
	v := value{functions: m.found, callees: m.called}
	switch unwrap(e).(type) {
	case *js.FuncDecl, *js.ArrowFunc, *js.MethodDecl:
		v.direct = true
	}
	m.found, m.called = append(found, m.found...), append(called, m.called...)
	return v
}

// path is the name of what a chain of properties leads to, and whether it starts with a variable of the module.
func (m *module) path(e js.IExpr) (name string, ok bool) {
	switch e := unwrap(e).(type) {
	case *js.Var:
		name = string(e.Name())
		return name, m.top[resolve(e)] || e.Decl == js.NoDecl && (name == "module" || name == "exports")
	case *js.DotExpr:
		if y, isName := e.Y.(js.LiteralExpr); isName && y.TokenType == js.IdentifierToken && !e.Optional {
			if name, ok = m.path(e.X); ok {
				return name + "." + string(y.Data), true
			}
		}
	}
	return "", false
}

// A signature is what functions do with hooks.
type signature struct {
	keys  []string // of each function
	reset bool
	hooks []string
}

// signature sums up a binding's values; nil is that of what has nothing to do with hooks.
func (m *module) signature(b *binding, registered bool) *signature {
	s := &signature{}
	name := b.name[strings.LastIndexByte(b.name, '.')+1:]
	for _, v := range b.values {
		for _, f := range v.functions {
			if len(f.calls) > 0 {
				m.sign(s, f, true)
			} else if !v.direct || b.synthetic || !isUpper(name[0]) {
				m.signInner(s, f)
			}
		}
	}
	if len(s.keys) > 0 || registered || isHook(name) || isUpper(name[0]) {
		for _, v := range b.values {
			for _, c := range v.callees {
				if root := m.root(c); root != nil && m.top[root] && !bytes.HasPrefix(root.Data, []byte("__")) {
					m.refer(s, c)
				}
			}
		}
	}
	if len(s.keys) == 0 && len(s.hooks) == 0 {
		return nil
	}
	s.reset = s.reset || len(s.keys) > 0 && m.resets
	return s
}

// sign adds a function that calls hooks.
func (m *module) sign(s *signature, f *function, strict bool) {
	keys := make([]string, len(f.calls))
	for i, c := range f.calls {
		keys[i] = c.name + "{" + c.key + "}"
		if builtin[c.name] {
			continue
		}
		if root := m.root(c.callee); root != nil && m.top[root] {
			m.refer(s, c.callee)
		} else if strict {
			s.reset = true // what it is cannot be known from outside
		}
	}
	s.keys = append(s.keys, strings.Join(keys, "\n"))
}

// signInner adds the outermost functions inside of one that call hooks. Their local hooks are among them too.
func (m *module) signInner(s *signature, f *function) {
	for _, inner := range f.inner {
		if len(inner.calls) > 0 {
			m.sign(s, inner, false)
		} else {
			m.signInner(s, inner)
		}
	}
}

// refer adds what may have a signature of its own.
func (m *module) refer(s *signature, e js.IExpr) {
	if id, ok := m.required[m.root(e)]; ok && isLibrary(id) {
		return
	}
	ref := text(e)
	for _, h := range s.hooks {
		if h == ref {
			return
		}
	}
	s.hooks = append(s.hooks, ref)
}

// root is the variable that a chain of properties starts with, or nil.
func (m *module) root(e js.IExpr) *js.Var {
	for {
		switch n := unwrap(e).(type) {
		case *js.Var:
			return resolve(n)
		case *js.DotExpr:
			e = n.X
		default:
			return nil
		}
	}
}

// builtin are React's own hooks, which have no signature, as the plugin lists them.
var builtin = map[string]bool{
	"useState": true, "useReducer": true, "useEffect": true, "useLayoutEffect": true, "useMemo": true, "useCallback": true,
	"useRef": true, "useContext": true, "useImperativeHandle": true, "useDebugValue": true, "useId": true,
	"useDeferredValue": true, "useTransition": true, "useInsertionEffect": true, "useSyncExternalStore": true,
	"useFormStatus": true, "useFormState": true, "useActionState": true, "useOptimistic": true,
}

// asksForReset reports whether a source has "@refresh reset" in a comment.
func asksForReset(source []byte) bool {
	for at := 0; ; {
		i := bytes.Index(source[at:], []byte("@refresh reset"))
		if i < 0 {
			return false
		}
		before := source[:at+i]
		line := before[bytes.LastIndexByte(before, '\n')+1:]
		if bytes.Contains(line, []byte("//")) || bytes.LastIndex(before, []byte("/*")) > bytes.LastIndex(before, []byte("*/")) {
			return true
		}
		at += i + 1
	}
}

// shorten keeps a long text's beginning, and all of it as a hash.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return strings.ToValidUTF8(s[:most/2], "") + "…" + strconv.FormatUint(h.Sum64(), 36)
}
