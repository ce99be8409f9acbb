package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// An invocation is what to execute.
type invocation struct {
	args []string
	env  []string // NAME=value
	dir  string
	line string // for the system's shell, which args then start; see setShell
	open bool   // its input does not end before it does
}

// A line is a command as it was written. Its words are found anew at each start, as `go run *.go` should see a new file.
type line struct {
	text  string
	args  []string           // if it was given as words
	call  *syntax.CallExpr   // of text; nil if a shell must read it
	calls []*syntax.CallExpr // all that are in text
}

func newLine(text string, args []string) (line, error) {
	l := line{text: strings.TrimSpace(text), args: args}
	switch {
	case l.text != "" && len(args) > 0:
		return l, fmt.Errorf("command: both Line %q and Args %q", l.text, args)
	case len(args) > 0:
		l.text = strings.Join(args, " ")
		return l, nil
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(l.text), "")
	if err != nil {
		return l, fmt.Errorf("command: line %q: %w", l.text, err)
	}
	if len(file.Stmts) == 0 {
		return l, errors.New("command: neither Line nor Args")
	}
	l.call = simpleCall(file)
	syntax.Walk(file, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			l.calls = append(l.calls, call)
		}
		return true
	})
	return l, nil
}

// builtins are what only a shell can do.
var builtins = []string{".", ":", "alias", "cd", "command", "eval", "exec", "exit", "export", "read", "set", "source", "trap", "ulimit", "umask", "unset", "wait"}

// simpleCall returns the only command in file, or nil if it takes more than words and variables.
func simpleCall(file *syntax.File) *syntax.CallExpr {
	stmt := file.Stmts[0]
	call, ok := stmt.Cmd.(*syntax.CallExpr)
	if !ok || len(file.Stmts) > 1 || len(stmt.Redirs) > 0 || stmt.Negated || stmt.Background || len(call.Args) == 0 ||
		slices.Contains(builtins, call.Args[0].Lit()) {
		return nil
	}
	simple := true
	syntax.Walk(call, func(n syntax.Node) bool {
		switch n := n.(type) {
		case nil, *syntax.CallExpr, *syntax.Word, *syntax.Lit, *syntax.SglQuoted, *syntax.DblQuoted:
		case *syntax.ParamExp:
			simple = simple && syntax.ValidName(n.Param.Value)
		case *syntax.Assign:
			// By another PATH another program may be found.
			simple = simple && !n.Append && !n.Naked && n.Array == nil && n.Index == nil && n.Name.Value != "PATH"
		default:
			simple = false
		}
		return simple
	})
	if !simple {
		return nil
	}
	return call
}

// invocation finds the words of l when it runs in dir under env.
func (l line) invocation(dir string, env []string) (invocation, error) {
	inv := invocation{args: l.args, dir: dir, env: env}
	if len(l.args) > 0 {
		return inv, nil
	}
	if l.call == nil {
		inv.line = l.text
		inv.args = shell(l.text)
		return inv, nil
	}
	config := &expand.Config{
		Env:      expand.ListEnviron(append(slices.Clone(env), "PWD="+dir)...),
		ReadDir2: os.ReadDir,
	}
	inv.env = slices.Clone(env)
	for _, a := range l.call.Assigns {
		value, err := expand.Literal(config, a.Value)
		if err != nil {
			return inv, fmt.Errorf("command: line %q: %w", l.text, err)
		}
		inv.env = append(inv.env, a.Name.Value+"="+value)
	}
	args, err := expand.Fields(config, l.call.Args...)
	if err == nil && len(args) == 0 {
		err = errors.New("nothing is left of it")
	}
	if err != nil {
		return inv, fmt.Errorf("command: line %q: %w", l.text, err)
	}
	inv.args = args
	return inv, nil
}

// words are those of l as far as they are known before it runs; nil if a shell must read it.
func (l line) words() []string {
	if l.call != nil {
		return callWords(l.call)
	}
	return l.args
}

func callWords(call *syntax.CallExpr) []string {
	var words []string
	for _, w := range call.Args {
		words = append(words, word(w.Parts))
	}
	return words
}

// A kind is what a command does once it has begun.
type kind int

const (
	program   kind = iota // it serves, as far as is known
	generator             // it ends by itself
	watcher               // it goes on and looks after its inputs itself
)

// known says what the programs in l read, and of what kind they are together, as far as is known.
func (l line) known() (globs []string, is kind) {
	if len(l.args) > 0 {
		return known(l.args)
	}
	if len(l.calls) == 0 {
		return nil, program
	}
	kinds := map[kind]bool{}
	for _, call := range l.calls {
		more, one := known(callWords(call))
		globs = append(globs, more...)
		kinds[one] = true
	}
	switch {
	case kinds[program]:
		return globs, program
	case kinds[watcher]:
		return globs, watcher
	}
	return globs, generator
}

// word is the text of a word without its quotes.
func word(parts []syntax.WordPart) string {
	var b strings.Builder
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(p.Value)
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			b.WriteString(word(p.Parts))
		}
	}
	return b.String()
}

// tool is the program that words run and its arguments, whatever runs it: `go tool templ`,
// `go run github.com/a-h/templ/cmd/templ@latest` and `npx templ` are templ.
func tool(words []string) (name string, args []string) {
	for len(words) > 0 {
		name = strings.TrimSuffix(filepath.Base(words[0]), ".exe")
		args = words[1:]
		runner := ""
		if len(args) > 0 {
			runner = name + " " + args[0]
		}
		switch {
		case runner == "go run":
			run, ok := parseGoRun(words)
			if !ok || len(run.packages) != 1 || !strings.Contains(run.packages[0], "@") {
				return name, args
			}
			pkg, _, _ := strings.Cut(run.packages[0], "@")
			words = append([]string{pkg}, run.args...)
		case runner == "go tool", runner == "pnpm exec", runner == "pnpm dlx", runner == "yarn dlx", runner == "npm exec":
			words = skipFlags(args[1:])
		case name == "npx", name == "bunx", name == "pnpx":
			words = skipFlags(args)
		default:
			name, _, _ = strings.Cut(name, "@")
			return name, args
		}
	}
	return name, args
}

func skipFlags(words []string) []string {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		words = words[1:]
	}
	return words
}

// known says what a tool reads that does not look after that itself, and of what kind it is.
func known(words []string) (globs []string, is kind) {
	name, args := tool(words)
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	watches := slices.ContainsFunc(args, func(a string) bool {
		return a == "-w" || strings.HasPrefix(strings.TrimLeft(a, "-"), "watch") && a[0] == '-'
	})
	isTailwind := name == "tailwindcss" || name == "cli" && strings.Contains(strings.Join(words, " "), "@tailwindcss/cli")
	what := name + " " + first
	switch {
	case what == "go run":
		return slices.Clone(goFiles), program
	case what == "go build", what == "go install", what == "go generate":
		return slices.Clone(goFiles), generator
	case what == "sqlc generate":
		return []string{"**/*.sql", "**/sqlc.{yaml,yml,json}"}, generator
	case watches && (isTailwind || what == "templ generate" || slices.Contains([]string{"sass", "lessc", "postcss", "tsc"}, name)):
		return nil, watcher
	case what == "templ generate":
		return []string{"**/*.templ"}, generator
	case isTailwind:
		return []string{"**/*.{css,html,gohtml,tmpl,templ,js,jsx,mjs,ts,tsx,vue,svelte}", "tailwind.config.*"}, generator
	}
	return nil, program
}

// written is the file that a tool says it writes.
func written(words []string) string {
	if name, _ := tool(words); name != "tailwindcss" && name != "cli" {
		return ""
	}
	for i, w := range words {
		if (w == "-o" || w == "--output") && i+1 < len(words) {
			return words[i+1]
		}
		if value, ok := strings.CutPrefix(w, "--output="); ok {
			return value
		}
	}
	return ""
}

// goRun is a `go run` taken apart.
type goRun struct {
	program  string // "go", or the path of another
	dir      string // of -C
	flags    []string
	packages []string // one package, or files
	args     []string // of the program
	link     bool     // -ldflags or -buildvcs is among flags
}

// boolFlags are the build flags that take no value in the next word.
var boolFlags = []string{"a", "race", "msan", "asan", "cover", "v", "work", "x", "linkshared", "modcacherw", "trimpath", "json", "buildvcs"}

// parseGoRun reports false for what is no `go run`, and for flags that `go build` does not have.
func parseGoRun(words []string) (goRun, bool) {
	if len(words) < 3 || strings.TrimSuffix(filepath.Base(words[0]), ".exe") != "go" || words[1] != "run" {
		return goRun{}, false
	}
	run := goRun{program: words[0]}
	rest := words[2:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		name, _, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(rest[0], "-"), "-"), "=")
		n := 1
		if !hasValue && !slices.Contains(boolFlags, name) {
			n = 2
		}
		if name == "exec" || name == "n" || name == "" || n > len(rest) {
			return goRun{}, false
		}
		switch {
		case name == "C" && n == 2:
			run.dir = rest[1]
		case name == "C":
			_, run.dir, _ = strings.Cut(rest[0], "=")
		default:
			run.flags = append(run.flags, rest[:n]...)
		}
		run.link = run.link || name == "ldflags"
		rest = rest[n:]
	}
	if len(rest) == 0 {
		return goRun{}, false
	}
	n := 1
	for strings.HasSuffix(rest[0], ".go") && n < len(rest) && strings.HasSuffix(rest[n], ".go") {
		n++
	}
	run.packages, run.args = rest[:n], rest[n:]
	return run, true
}

// build is the `go build` that writes the program to out. As `go run` does, it leaves out what only a debugger reads,
// and asks no version control.
func (r goRun) build(out string) []string {
	args := []string{r.program, "build", "-o", out, "-buildvcs=false"}
	if !r.link {
		args = append(args, "-ldflags=-s -w")
	}
	return slices.Concat(args, r.flags, r.packages)
}

// name is what the program is to be called, as `go run` calls it.
func (r goRun) name(dir string) string {
	name := r.packages[0]
	if strings.HasSuffix(name, ".go") {
		name = strings.TrimSuffix(filepath.Base(name), ".go")
	} else {
		name = filepath.Base(filepath.Join(dir, name))
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return name
}
