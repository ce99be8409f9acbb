package refresh

import "bytes"

// Most of a component is markup and handlers, which have no hooks in them. Parsing that would cost four times what
// the rest does, so it is left out first: the arguments of calls, and the parameters and bodies of functions, are emptied
// where no hook is called in them. Arguments outside of functions stay, as they tell what a component is made of; and
// those of useState and useReducer, which are part of a signature. A name then means the module's own wherever it has one,
// which is so anyhow, as esbuild gives names inside of functions digits that keep them apart. TestReduce compares with what
// the whole code gives.

// A reducer reads code by its tokens.
type reducer struct {
	code  []byte
	at    int // how far it has read
	from  int // how far it has written
	out   []byte
	open  []bracket
	names map[string]bool // what imports are called whose names in the source are those of hooks
	shown map[string]bool // what elements are made of

	last   byte   // the last byte that is no space or comment; 'a' for that of a word, 'k' for that of a keyword
	word   []byte // the last word
	begins bool   // a statement may begin after last, which is a bracket that closes
	braces int    // how many of open are braces
}

// A bracket is one that is not closed yet.
type bracket struct {
	kind    byte // '(', '[', '{', or '$' for ${ in a template
	start   int  // in out, behind it
	empties bool // its content can be left out, unless it is hooked
	hooked  bool // a hook is called in it
	keeps   bool // its content is kept to the last byte
	call    bool // it is that of a call
	head    bool // it is that of if (…) and the like, or a block
}

// reduce returns code without what does not matter to entries; all of it if it cannot tell. In names are the hooks that
// are not called useSomething; elements are added to shown.
func reduce(code []byte, names, shown map[string]bool) []byte {
	r := &reducer{code: code, out: make([]byte, 0, len(code)/2+64), names: names, shown: shown, begins: true}
	if !r.read() || len(r.open) > 0 {
		return bytes.Clone(code)
	}
	r.flush()
	return r.out
}

// flush writes what was read.
func (r *reducer) flush() {
	r.out = append(r.out, r.code[r.from:r.at]...)
	r.from = r.at
}

// read reads to the end, or to what it does not understand.
func (r *reducer) read() bool {
	for r.at < len(r.code) {
		ok := true
		switch c := r.code[r.at]; c {
		case ' ', '\t', '\r':
			r.at++
		case '\n':
			r.indentation()
		case '"', '\'':
			ok = r.quoted(c)
		case '`':
			r.at++
			ok = r.template()
		case '/':
			ok = r.slash()
		case '(', '[', '{':
			r.opens(c)
		case ')', ']', '}':
			ok = r.closes(c)
		default:
			if isWord(c) {
				r.name()
				continue
			}
			r.last = c
			r.at++
		}
		if !ok {
			return false
		}
	}
	return true
}

// indentation reads to where a line begins, leaving out the spaces.
func (r *reducer) indentation() {
	r.at++
	r.flush()
	for r.at < len(r.code) && r.code[r.at] == ' ' {
		r.at++
	}
	r.from = r.at
}

// name reads a word or a number.
func (r *reducer) name() {
	start := r.at
	for r.at++; r.at < len(r.code) && isWord(r.code[r.at]); {
		r.at++
	}
	r.word = r.code[start:r.at]
	property := r.last == '.'
	r.last = 'a'
	if !property && isKeyword(r.word) {
		r.last = 'k'
	}
	if bytes.HasPrefix(r.word, []byte("use")) && isHook(string(r.word)) || len(r.names) > 0 && r.names[string(r.word)] {
		for i := len(r.open) - 1; i >= 0 && !r.open[i].hooked; i-- {
			r.open[i].hooked = true
		}
	}
}

// isKeyword reports whether a bracket after that word is no call's, and a slash begins a regular expression.
func isKeyword(word []byte) bool {
	switch string(word) {
	case "return", "case", "typeof", "void", "delete", "new", "throw", "in", "of", "instanceof", "yield", "await", "else", "do",
		"import", "extends", "default", "const", "let", "var", "try", "finally", "set", "static":
		return true
	}
	return hasHead(word)
}

// hasHead reports whether a bracket and a statement come after that word.
func hasHead(word []byte) bool {
	switch string(word) {
	case "if", "for", "while", "with", "switch", "catch":
		return true
	}
	return false
}

// quoted reads a string.
func (r *reducer) quoted(quote byte) bool {
	for r.at++; r.at < len(r.code); r.at++ {
		switch r.code[r.at] {
		case '\\':
			r.at++
		case '\n':
			return false
		case quote:
			r.at++
			r.last = 'a'
			return true
		}
	}
	return false
}

// template reads on in a template, up to its end or to ${.
func (r *reducer) template() bool {
	for ; r.at < len(r.code); r.at++ {
		switch r.code[r.at] {
		case '\\':
			r.at++
		case '`':
			r.at++
			r.last = 'a'
			return true
		case '$':
			if r.at+1 < len(r.code) && r.code[r.at+1] == '{' {
				r.at += 2
				r.last = '{'
				r.push(bracket{kind: '$'})
				return true
			}
		}
	}
	return false
}

// slash reads a comment, which is left out, a regular expression, or a division.
func (r *reducer) slash() bool {
	rest := r.code[r.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			end = len(rest)
		}
		r.flush()
		r.at += end
		r.from = r.at
		return true
	case bytes.HasPrefix(rest, []byte("/*")):
		end := bytes.Index(rest[2:], []byte("*/"))
		if end < 0 {
			return false
		}
		r.flush()
		r.out = append(r.out, ' ')
		r.at += end + 4
		r.from = r.at
		return true
	}
	r.at++
	if r.afterValue() || r.last == '}' && !r.begins {
		r.last = '/'
		return true
	}
	for class := false; r.at < len(r.code); r.at++ {
		switch r.code[r.at] {
		case '\\':
			r.at++
		case '\n':
			return false
		case '[':
			class = true
		case ']':
			class = false
		case '/':
			if class {
				continue
			}
			r.at++
			r.last = 'a' // its flags are read as a name
			return true
		}
	}
	return false
}

// afterValue reports whether what was read last can be called.
func (r *reducer) afterValue() bool {
	return r.last == 'a' || r.last == ']' || r.last == ')' && !r.begins
}

func (r *reducer) push(b bracket) {
	r.flush()
	b.start = len(r.out)
	if n := len(r.open); n > 0 && r.open[n-1].keeps {
		b.keeps, b.empties = true, false
	}
	r.open = append(r.open, b)
	if b.kind == '{' {
		r.braces++
	}
}

func (r *reducer) opens(c byte) {
	b := bracket{kind: c}
	r.at++
	switch {
	case c == '(' && r.afterValue():
		element := isElement(r.word)
		if element {
			r.element()
		}
		b.call = true
		b.keeps = string(r.word) == "useState" || string(r.word) == "useReducer" || r.names[string(r.word)]
		b.empties = !b.keeps && (r.braces > 0 || element)
	case c == '(':
		b.head = r.last == 'k' && hasHead(r.word)
	case c == '{':
		b.empties = r.last == ')' || r.last == '>' // a body
		b.head = b.empties || r.last == ';' || r.last == '{' || r.last == '}' || r.last == 'k' || r.last == 0
	}
	arrow := c == '{' && r.last == '>'
	r.last = c
	r.push(b)
	if arrow {
		r.out = append(r.out, ';') // the parser shows no other difference between => { return x; } and => x
	}
}

// element notes a name that is the first argument.
func (r *reducer) element() {
	start := r.at
	for start < len(r.code) && (r.code[start] == ' ' || r.code[start] == '\n') {
		start++
	}
	end := start
	for end < len(r.code) && isWord(r.code[end]) {
		end++
	}
	if end > start && end < len(r.code) && (r.code[end] == ',' || r.code[end] == ')') {
		r.shown[string(r.code[start:end])] = true
	}
}

func (r *reducer) closes(c byte) bool {
	n := len(r.open) - 1
	if n < 0 {
		return false
	}
	b := r.open[n]
	r.open = r.open[:n]
	switch {
	case b.kind == '$' && c == '}':
		r.at++
		return r.template()
	case b.kind == '{' && c == '}':
		r.braces--
	case b.kind == '(' && c == ')' && b.call:
	case b.kind == '(' && c == ')':
		r.flush()
		b.empties = !b.keeps && bytes.HasPrefix(r.code[r.at:], []byte(") =>")) // parameters
		if bytes.HasPrefix(r.out[b.start:], []byte("0, ")) {
			copy(r.out[b.start-1:], "    ") // (0, import_react.useState): what may be an arrow function's head takes long to parse
			r.at++
			r.from = r.at
			r.last = 'a'
			return true
		}
	case b.kind == '[' && c == ']':
	default:
		return false
	}
	if b.empties && !b.hooked {
		r.out = r.out[:b.start]
		r.from = r.at
	}
	r.at++
	r.last, r.begins = c, b.head
	return true
}
