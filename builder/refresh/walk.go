package refresh

import "github.com/tdewolff/parse/v2/js"

// walk visits code in the order in which it is written; js.Walk visits bodies before heads, so
// that calls which change places could look the same.
func (m *module) walk(nodes ...js.INode) {
	for _, n := range nodes {
		m.visit(n)
	}
}

func (m *module) visit(n js.INode) {
	switch n := n.(type) {
	case *js.BlockStmt:
		if n != nil {
			m.statements(n.List)
		}
	case *js.ExprStmt:
		m.walk(n.Value)
	case *js.IfStmt:
		m.walk(n.Cond, n.Body, n.Else)
	case *js.DoWhileStmt:
		m.walk(n.Body, n.Cond)
	case *js.WhileStmt:
		m.walk(n.Cond, n.Body)
	case *js.ForStmt:
		m.walk(n.Init, n.Cond, n.Post, n.Body)
	case *js.ForInStmt:
		m.walk(n.Init, n.Value, n.Body)
	case *js.ForOfStmt:
		m.walk(n.Init, n.Value, n.Body)
	case *js.SwitchStmt:
		m.walk(n.Init)
		for _, c := range n.List {
			m.walk(c.Cond)
			m.statements(c.List)
		}
	case *js.ReturnStmt:
		m.walk(n.Value)
	case *js.WithStmt:
		m.walk(n.Cond, n.Body)
	case *js.LabelledStmt:
		m.walk(n.Value)
	case *js.ThrowStmt:
		m.walk(n.Value)
	case *js.TryStmt:
		m.walk(n.Body, n.Binding, n.Catch, n.Finally)
	case *js.VarDecl:
		if n == nil {
			return
		}
		for _, e := range n.List {
			m.walk(e.Binding)
			if c, ok := unwrap(e.Default).(*js.CallExpr); ok {
				m.call(c, e.Binding)
			} else {
				m.walk(e.Default)
			}
		}
	case *js.BindingArray:
		m.elements(n.List)
		m.walk(n.Rest)
	case *js.BindingObject:
		for _, i := range n.List {
			if i.Key != nil {
				m.walk(i.Key.Computed)
			}
			m.walk(i.Value.Binding, i.Value.Default)
		}
	case *js.FuncDecl:
		m.enter(n.Params, &n.Body)
	case *js.ArrowFunc:
		m.enter(n.Params, &n.Body)
	case *js.MethodDecl:
		m.walk(n.Name.Computed)
		m.enter(n.Params, &n.Body)
	case *js.ClassDecl:
		m.walk(n.Extends)
		for _, e := range n.List {
			switch {
			case e.StaticBlock != nil:
				m.walk(e.StaticBlock)
			case e.Method != nil:
				m.walk(e.Method)
			default:
				m.walk(e.Field.Name.Computed, e.Field.Init)
			}
		}
	case *js.ArrayExpr:
		for _, e := range n.List {
			m.walk(e.Value)
		}
	case *js.ObjectExpr:
		for _, p := range n.List {
			if p.Name != nil {
				m.walk(p.Name.Computed)
			}
			m.walk(p.Value, p.Init)
		}
	case *js.TemplateExpr:
		m.walk(n.Tag)
		for _, p := range n.List {
			m.walk(p.Expr)
		}
	case *js.GroupExpr:
		m.walk(n.X)
	case *js.IndexExpr:
		m.walk(n.X, n.Y)
	case *js.DotExpr:
		m.walk(n.X)
	case *js.NewExpr:
		m.walk(n.X)
		if n.Args != nil {
			m.arguments(*n.Args)
		}
	case *js.CallExpr:
		m.call(n, nil)
	case *js.UnaryExpr:
		m.walk(n.X)
	case *js.BinaryExpr:
		if n.Op == js.EqToken && m.function == nil {
			if name, ok := m.path(n.X); ok {
				m.assign(m.bind(name, nil), n.Y)
				return
			}
		}
		m.walk(n.X, n.Y)
	case *js.CondExpr:
		m.walk(n.Cond, n.X, n.Y)
	case *js.YieldExpr:
		m.walk(n.X)
	case *js.CommaExpr:
		for _, e := range n.List {
			m.walk(e)
		}
	case *js.ExportStmt:
		m.walk(n.Decl)
	}
}

func (m *module) statements(list []js.IStmt) {
	for _, s := range list {
		m.walk(s)
	}
}

func (m *module) elements(list []js.BindingElement) {
	for _, e := range list {
		m.walk(e.Binding)
		m.walk(e.Default)
	}
}

func (m *module) arguments(args js.Args) {
	for _, a := range args.List {
		m.walk(a.Value)
	}
}

// enter walks over a function.
func (m *module) enter(params js.Params, body *js.BlockStmt) {
	around := m.function
	f := &function{}
	m.function = f
	m.elements(params.List)
	m.walk(params.Rest)
	m.walk(body)
	m.function = around
	if len(f.calls) == 0 && len(f.inner) == 0 {
		return
	}
	if around == nil {
		m.found = append(m.found, f)
	} else {
		around.inner = append(around.inner, f)
	}
}

// call walks over a call, whose result a declaration gives to into, or nil.
func (m *module) call(n *js.CallExpr, into js.IBinding) {
	target := callee(n)
	name := m.nameOf(target)
	if m.function == nil {
		m.called = append(m.called, target)
		for _, a := range n.Args.List {
			if isHook(m.nameOf(a.Value)) {
				m.called = append(m.called, a.Value)
			}
		}
	}
	if isElement([]byte(name)) && len(n.Args.List) > 0 {
		if v, ok := n.Args.List[0].Value.(*js.Var); ok {
			m.shown[string(v.Name())] = true
		}
		if name == "jsxDEV" && len(n.Args.List) > 3 {
			n.Args.List = n.Args.List[:3] // the rest says where in the source it is, which is no part of a key
		}
	}
	f := m.function
	at := -1
	if f != nil && isHook(name) {
		at = len(f.calls)
		f.calls = append(f.calls, call{callee: target, name: name})
	}
	m.walk(n.X)
	m.arguments(n.Args)
	if at < 0 {
		return
	}
	key := ""
	if into != nil {
		key = text(into)
	}
	switch {
	case name == "useState" && len(n.Args.List) > 0:
		key += "(" + text(n.Args.List[0].Value) + ")"
	case name == "useReducer" && len(n.Args.List) > 1:
		key += "(" + text(n.Args.List[1].Value) + ")"
	}
	f.calls[at].key = shorten(m.asWritten(key))
}

// isElement reports whether a function of that name makes elements.
func isElement(name []byte) bool {
	switch string(name) {
	case "jsx", "jsxs", "jsxDEV", "createElement", "h":
		return true
	}
	return false
}
