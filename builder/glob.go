package builder

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/evanw/esbuild/pkg/api"
	"github.com/go-sourcemap/sourcemap"
)

// import.meta.glob, as Vite has it (https://vite.dev/guide/features#glob-import), gives an import of each file that matches.
// The call stays where it is, and with it all lines and columns: esbuild makes it a call of globWord, a function that comes
// after the end of the source, before esbuild reads that. So its imports are imports like any others.
//
//	const pages = import.meta.glob("./pages/*.ts")
//	/* __devserve_glob */
//	function __devserve_glob() { return {
//	"./pages/a.ts": () => import("./pages/a.ts"),
//	} }
//
// With several calls it looks up what it was called with.
//
// What is such a call, and not a part of a string, esbuild is asked first: it prints the module without types, and the word
// where code can have it. Only literals may follow.
//
// Two things differ from Vite: what is imported eagerly runs after the module's other imports, not before them, and an eager
// import of a name that a file does not export is undefined. A file that comes to a folder that is not watched, as those
// outside of the site, is found when the module is compiled next.

const (
	globWord = "__devserve_glob"
	globMark = "\n/* " + globWord + " */\n"
)

// globCall is in every source that may have a call.
var globCall = regexp.MustCompile(`\.\s*glob\b`)

// A glob is one call.
type glob struct {
	text     string   // the arguments, as esbuild prints them
	patterns []string // as they are written
	eager    bool
	all      bool // folders and files with a dot in front, and node_modules, too
	name     string
	query    string
	base     string

	where func() *api.Location
}

// globLimit is how many files and folders a call may look at: 100,000 take half a second. Without a limit, ../../** would
// look at all of the machine while it is being written.
const globLimit = 100_000

// globs returns what must come after a script's source for its calls of import.meta.glob to mean something, and which files
// they select; or what is wrong with them.
func (r *resolver) globs(source []byte, path string) (tail []byte, selections []selection, wrong []api.Message) {
	if !bytes.Contains(source, []byte("import.meta")) || !globCall.Match(source) {
		return nil, nil, nil
	}
	globs, wrong := findGlobs(source, path, r.rel(path))
	if len(globs) == 0 || len(wrong) > 0 {
		return nil, nil, wrong
	}
	var out bytes.Buffer
	out.WriteString(globMark)
	tables := make([]string, len(globs))
	eager := map[string]string{} // the variable of what is imported, by specifier
	for i, g := range globs {
		selected := r.selection(g, path)
		selections = append(selections, selected)
		files, ok := selected.list(r.globLimit)
		if !ok {
			text := fmt.Sprintf("import.meta.glob looks at more than %d files and folders: begin the pattern in one with fewer", r.globLimit)
			return nil, nil, []api.Message{{Text: text, Location: g.where()}}
		}
		var table strings.Builder
		for _, file := range files {
			if file == path {
				continue
			}
			spec := quote(relative(filepath.Dir(path), file) + g.query)
			name := ""
			if g.name != "" && g.name != "*" {
				name = "[" + quote(g.name) + "]"
			}
			value := "() => import(" + spec + ")"
			switch {
			case g.eager && eager[spec] == "":
				eager[spec] = globWord + strconv.Itoa(len(eager))
				fmt.Fprintf(&out, "import * as %s from %s;\n", eager[spec], spec)
				fallthrough
			case g.eager:
				value = eager[spec] + name
			case name != "":
				value += ".then((module) => module" + name + ")"
			}
			fmt.Fprintf(&table, "%s: %s,\n", quote(r.globKey(g, path, file)), value)
		}
		tables[i] = "{\n" + table.String() + "}"
	}
	if len(globs) == 1 {
		fmt.Fprintf(&out, "function %s() { return %s }\n", globWord, tables[0])
		return out.Bytes(), selections, nil
	}
	fmt.Fprintf(&out, "function %s(...call) { return {\n", globWord)
	for i, g := range globs {
		fmt.Fprintf(&out, "[JSON.stringify([%s])]: () => (%s),\n", g.text, tables[i])
	}
	out.WriteString("}[JSON.stringify(call)]() }\n")
	return out.Bytes(), selections, nil
}

// globKey is under what a page finds a file.
func (r *resolver) globKey(g glob, importer, file string) string {
	switch {
	case g.base != "":
		return relative(r.globBase(g, importer), file)
	case !slices.ContainsFunc(g.patterns, func(p string) bool { return !strings.HasPrefix(p, ".") && !strings.HasPrefix(p, "!") }):
		return relative(filepath.Dir(importer), file)
	}
	rel := r.rel(file)
	if strings.HasPrefix(rel, "../") {
		return rel
	}
	return "/" + rel
}

// globBase is the folder that relative patterns begin in.
func (r *resolver) globBase(g glob, importer string) string {
	if strings.HasPrefix(g.base, "/") {
		return filepath.Join(r.dir, filepath.FromSlash(g.base))
	}
	return filepath.Join(filepath.Dir(importer), filepath.FromSlash(g.base))
}

// relative is path as an import in dir names it.
func relative(dir, path string) string {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	if rel = filepath.ToSlash(rel); strings.HasPrefix(rel, "../") {
		return rel
	}
	return "./" + rel
}

// A selection says which files a glob means, by patterns that absolute paths match.
type selection struct {
	in, not []string
	all     bool
}

func (r *resolver) selection(g glob, importer string) selection {
	s := selection{all: g.all}
	for _, p := range g.patterns {
		p, not := strings.CutPrefix(p, "!")
		p = roundBrackets.Replace(p)
		switch {
		case strings.HasPrefix(p, "/"):
			p = literalPattern(r.dir) + path.Clean(p)
		case strings.HasPrefix(p, "**"):
			if !not {
				p = literalPattern(r.dir) + "/" + p
			} else {
				p = "/" + p
			}
		default:
			p = path.Join(literalPattern(r.globBase(g, importer)), p)
		}
		if not {
			s.not = append(s.not, p)
		} else {
			s.in = append(s.in, p)
		}
	}
	return s
}

// roundBrackets takes back what Vite's globs need and doublestar's do not: they mean nothing.
var roundBrackets = strings.NewReplacer(`\(`, `(`, `\)`, `)`)

// slashed is how patterns name an absolute path.
func slashed(path string) string { return "/" + strings.TrimPrefix(filepath.ToSlash(path), "/") }

// literalPattern is the pattern that a path alone matches.
func literalPattern(path string) string {
	var out strings.Builder
	for _, r := range slashed(path) {
		if strings.ContainsRune(`*?[]{}\`, r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

func (s selection) has(file string) bool {
	path := slashed(file)
	matches := func(p string) bool { return doublestar.MatchUnvalidated(p, path) }
	return slices.ContainsFunc(s.in, func(p string) bool { return matches(p) && s.sees(p, path) }) &&
		!slices.ContainsFunc(s.not, matches) && !isEnv(file)
}

// sees says whether path has no part that only a pattern that names it matches: a * is no dot in front, and no node_modules.
func (s selection) sees(pattern, path string) bool {
	if s.all {
		return true
	}
	for part := range strings.SplitSeq(path, "/") {
		if part != "node_modules" && !strings.HasPrefix(part, ".") {
			continue
		}
		named := false
		for p := range strings.SplitSeq(pattern, "/") {
			named = named || p != "" && p[0] == part[0] && doublestar.MatchUnvalidated(p, part)
		}
		if !named {
			return false
		}
	}
	return true
}

// selects says whether m has a glob that means the file at path, if it is there.
func (m *module) selects(path string) bool {
	for _, c := range []*compiled{m.next, m.good} {
		if c != nil && slices.ContainsFunc(c.globs, func(s selection) bool { return s.has(path) }) {
			return true
		}
	}
	return false
}

func (b *Builder) selected(path string) bool {
	return slices.ContainsFunc(b.globs, func(m *module) bool { return m.selects(path) })
}

// list lists the files that are there; not if there is more than limit to look at. Symbolic links to folders are not followed.
func (s selection) list(limit int) (files []string, ok bool) {
	w := globWalk{selection: s, left: limit}
	for _, p := range s.in {
		base, rest := doublestar.SplitPattern(p)
		w.pattern = p
		depth := -1 // no end
		if !strings.Contains(rest, "**") && !strings.Contains(rest, "{") {
			depth = strings.Count(rest, "/")
		}
		base = filepath.FromSlash(base)
		if filepath.VolumeName(base[1:]) != "" {
			base = base[1:]
		}
		w.walk(filepath.Clean(base), depth)
	}
	slices.Sort(w.found)
	return slices.Compact(w.found), w.left >= 0
}

type globWalk struct {
	selection
	pattern string
	left    int // until the limit
	found   []string
}

// walk looks into dir, and into folders below it down to depth.
func (w *globWalk) walk(dir string, depth int) {
	entries, _ := os.ReadDir(dir) // none is no file
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch w.left--; {
		case w.left < 0:
			return
		case e.IsDir():
			if depth != 0 && w.sees(w.pattern, slashed(path)) {
				w.walk(path, depth-1)
			}
		case w.has(path) && (e.Type().IsRegular() || e.Type() == fs.ModeSymlink && regular(path) == nil):
			w.found = append(w.found, path)
		}
	}
}

// findGlobs returns the calls in a source, or what is wrong with them. A source that esbuild cannot read has none: esbuild
// says so when it compiles it.
func findGlobs(source []byte, path, name string) (globs []glob, wrong []api.Message) {
	o := api.TransformOptions{
		Loader: loaderOf(filepath.Ext(path)), Define: map[string]string{"import.meta.glob": globWord}, JSX: api.JSXPreserve,
		MinifyWhitespace: true, Charset: api.CharsetUTF8, Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude,
		LogLevel: api.LogLevelSilent, TsconfigRaw: `{"compilerOptions": {"experimentalDecorators": true}}`,
	}
	printed := api.Transform(string(source), o)
	for rest := printed.Code; ; {
		_, after, found := bytes.Cut(rest, []byte(globWord))
		if !found {
			return globs, wrong
		}
		rest = after
		at := len(printed.Code) - len(after) - len(globWord)
		where := func() *api.Location { return unprinted(source, name, printed, at) }
		g, problem := parseGlob(after)
		if g.where = where; problem == "" {
			if !slices.ContainsFunc(globs, func(o glob) bool { return o.text == g.text }) {
				globs = append(globs, g)
			}
			continue
		}
		wrong = append(wrong, api.Message{Text: problem, Location: where()})
	}
}

// unprinted is where in a source the call is that was printed at an offset.
func unprinted(source []byte, name string, printed api.TransformResult, at int) *api.Location {
	consumer, err := sourcemap.Parse("", printed.Map)
	if err != nil {
		return nil
	}
	before := printed.Code[:at]
	start := bytes.LastIndexByte(before, '\n') + 1
	_, _, line, column, ok := consumer.Source(bytes.Count(before, []byte("\n"))+1, units(string(before[start:]), at-start))
	if !ok {
		return nil
	}
	lines := strings.Split(string(source), "\n")
	text := lines[min(line, len(lines))-1]
	offset := 0
	for offset < len(text) && units(text, offset) < column {
		offset++
	}
	return &api.Location{File: name, Line: line, Column: offset, Length: min(len("import.meta.glob"), len(text)-offset), LineText: text}
}

const globLiterals = "import.meta.glob takes literals alone, as its files are found before the module runs: a pattern, or a list of patterns, and an object of options"

// parseGlob reads the arguments that follow globWord in what esbuild printed, or says what is wrong with them.
func parseGlob(code []byte) (g glob, problem string) {
	l := literals{rest: code}
	args := l.list('(', ')')
	if l.failed || len(args) == 0 || len(args) > 2 {
		return g, globLiterals
	}
	g.text = string(code[1 : len(code)-len(l.rest)-1])
	patterns, isList := args[0].([]any)
	if !isList {
		patterns = args[:1]
	}
	for _, p := range patterns {
		text, ok := p.(string)
		if !ok {
			return g, globLiterals
		}
		if problem := checkPattern(text); problem != "" {
			return g, problem
		}
		g.patterns = append(g.patterns, text)
	}
	if len(args) == 1 {
		return g, ""
	}
	options, ok := args[1].([]property)
	if !ok {
		return g, globLiterals
	}
	for _, o := range options {
		if problem := g.set(o.name, o.value); problem != "" {
			return g, problem
		}
	}
	return g, ""
}

func checkPattern(p string) (problem string) {
	p = strings.TrimPrefix(p, "!")
	switch {
	case !isRelative(p) && !strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "**"):
		return fmt.Sprintf("The pattern %q of import.meta.glob must begin with ./, ../, / (the site's folder) or **", p)
	case !doublestar.ValidatePattern(p):
		return fmt.Sprintf("The pattern %q of import.meta.glob has a bracket without its other half", p)
	}
	for i := 1; i < len(p); i++ {
		if p[i] == '(' && strings.IndexByte("!?*+@", p[i-1]) >= 0 {
			return fmt.Sprintf("The pattern %q of import.meta.glob has a (…) group: write {a,b}, or a list with patterns that begin with ! for what is not meant", p)
		}
	}
	return ""
}

// set takes in an option.
func (g *glob) set(name string, value any) (problem string) {
	text, isText := value.(string)
	flag, isFlag := value.(bool)
	var ok bool
	switch name {
	case "eager":
		g.eager, ok = flag, isFlag
	case "exhaustive":
		g.all, ok = flag, isFlag
	case "import":
		g.name, ok = text, isText
	case "base":
		if g.base, ok = text, isText; ok && !isRelative(text) && !strings.HasPrefix(text, "/") {
			return fmt.Sprintf("The base %q of import.meta.glob must begin with ./, ../ or / (the site's folder)", text)
		}
	case "query":
		if fields, isObject := value.([]property); isObject {
			text, isText = queryOf(fields)
		}
		if g.query, ok = text, isText; text != "" && text[0] != '?' {
			g.query = "?" + text
		}
	case "as":
		return `import.meta.glob has no option "as" any more: write query: "?raw" or "?url", and import: "default"`
	default:
		return fmt.Sprintf("import.meta.glob has no option %q", name)
	}
	if !ok {
		return fmt.Sprintf("The option %q of import.meta.glob has a value of another kind than it takes", name)
	}
	return ""
}

// queryOf is the query that an object stands for, in the object's order.
func queryOf(fields []property) (string, bool) {
	var parts []string
	for _, f := range fields {
		var value string
		switch v := f.value.(type) {
		case string:
			value = v
		case number:
			value = string(v)
		case bool:
			value = strconv.FormatBool(v)
		default:
			return "", false
		}
		part := url.QueryEscape(f.name)
		if value != "" {
			part += "=" + url.QueryEscape(value)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "&"), true
}

// literals reads literals as esbuild prints them without white space: strings, numbers, booleans, lists ([]any) and objects
// ([]property). Anything else makes it fail.
type literals struct {
	rest   []byte
	failed bool
}

type property struct {
	name  string
	value any
}

type number string

func (l *literals) skip(c byte) bool {
	if len(l.rest) == 0 || l.rest[0] != c {
		return false
	}
	l.rest = l.rest[1:]
	return true
}

// list reads values between brackets.
func (l *literals) list(open, end byte) (out []any) {
	l.failed = l.failed || !l.skip(open)
	for !l.failed && !l.skip(end) {
		out = append(out, l.value())
		l.failed = l.failed || !l.skip(',') && (len(l.rest) == 0 || l.rest[0] != end)
	}
	return out
}

func (l *literals) value() any {
	if len(l.rest) == 0 {
		l.failed = true
		return nil
	}
	switch c := l.rest[0]; c {
	case '"', '\'', '`':
		return l.text()
	case '[':
		return l.list('[', ']')
	case '{':
		return l.object()
	}
	word := l.word()
	switch {
	case word == "true", word == "false":
		return word == "true"
	case word != "" && (word[0] == '-' || word[0] == '.' || word[0] >= '0' && word[0] <= '9'):
		return number(word)
	}
	l.failed = true
	return nil
}

func (l *literals) text() string {
	end := literalEnd(l.rest)
	text := l.rest[:end]
	l.rest = l.rest[end:]
	l.failed = l.failed || end == 0 || text[0] == '`' && bytes.Contains(text, []byte("${"))
	return unquote(text)
}

// word reads a name or a number.
func (l *literals) word() string {
	i := 0
	for i < len(l.rest) && (isWord(l.rest[i]) || l.rest[i] == '.' || l.rest[i] == '-') {
		i++
	}
	word := string(l.rest[:i])
	l.rest = l.rest[i:]
	return word
}

func (l *literals) object() (out []property) {
	out = []property{}
	l.skip('{')
	for !l.failed && !l.skip('}') {
		var p property
		if len(l.rest) > 0 && (l.rest[0] == '"' || l.rest[0] == '\'') {
			p.name = l.text()
		} else {
			p.name = l.word()
		}
		l.failed = l.failed || p.name == "" || !l.skip(':')
		if l.failed {
			return nil
		}
		p.value = l.value()
		out = append(out, p)
		l.failed = l.failed || !l.skip(',') && (len(l.rest) == 0 || l.rest[0] != '}')
	}
	return out
}
