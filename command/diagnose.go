package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	diagnosticLimit = 50       // of one command: nobody reads more
	textLimit       = 4 << 10  // of one message
	frameLimit      = 20       // of one stack
	codeLimit       = 2000     // of a line of code in bytes, as package builder has it
	lastLines       = 15       // of output that a person wants to see
	sourceLimit     = 16 << 20 // of a file that is read for a line of it
)

// A finder reads what programs say about files, from where they run.
type finder struct {
	dir    string // absolute
	root   string // of the Go module around dir, or dir
	module string // the module's path, or ""
}

func newFinder(dir string) finder {
	f := finder{dir: dir, root: dir}
	for d := dir; ; d = filepath.Dir(d) {
		if text, err := os.ReadFile(filepath.Join(d, "go.mod")); err == nil {
			f.root = d
			if m := moduleLine.FindSubmatch(text); m != nil {
				f.module = string(m[1])
			}
			return f
		}
		if d == filepath.Dir(d) {
			return f
		}
	}
}

var (
	moduleLine = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)"?`)
	escapes    = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)")

	// cmd/api/main.go:12:5: undefined: x    query.sql:1:1: …    vet: ./a.go:3:4: …    CssSyntaxError: /a/b.css:4:3: …
	placed = regexp.MustCompile(`^(?:[\w$]*[Ee]rror: |\w+: )?(?:\w+: )?((?:[A-Za-z]:)?[^:"]*\.\w+):(\d+)(?::(\d+))?: (.+)$`)
	// src/app.ts(12,5): error TS2322: …
	inParens = regexp.MustCompile(`^(\S+\.\w+)\((\d+),(\d+)\): (.+)$`)
	// templ: … "/a/b.templ": /a/b.templ parsing error: <div>: close tag not found: line 5, col 0 ]
	templError = regexp.MustCompile(`(?:^|[:=] )([^:="]*\.templ) parsing error: (.*): line (\d+), col (\d+)`)
)

// step says why a build or a generator called source has failed with err.
func (f finder) step(source string, err error, o *output) []Diagnostic {
	text := string(o.head)
	if o.more {
		text += string(o.tail)
	}
	if found := f.build(source, text); len(found) > 0 {
		return found
	}
	return f.ended(source, err, o)
}

// build reads what a build or a generator called source said before it failed.
func (f finder) build(source, text string) []Diagnostic {
	var found, lost []Diagnostic // with a place, and without
	var last *Diagnostic         // which an indented line goes on with
	header := false              // of a package's errors has been seen
	for line := range strings.Lines(escapes.ReplaceAllString(text, "")) {
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "" || line == "too many errors":
			last = nil
			continue
		case line[0] == '\t' || strings.HasPrefix(line, "    "):
			if line = strings.TrimSpace(line); last == nil {
				continue
			} else if d, ok := f.placed(line); ok {
				if len(last.Notes) < frameLimit {
					last.Notes = append(last.Notes, d.note())
				}
			} else if len(last.Text) < textLimit {
				last.Text += "\n" + clip(line)
			}
			continue
		case strings.HasPrefix(line, "# "):
			header, last = true, nil
			continue
		}
		last = nil
		if len(found) >= diagnosticLimit {
			break
		}
		if d, ok := f.placed(line); ok {
			d.Source = source
			if len(found) == 0 || !same(found[len(found)-1], d) {
				found = append(found, d)
			}
			last = &found[len(found)-1]
			continue
		}
		message, isGo := strings.CutPrefix(line, "go: ")
		if isGo && progress(message) || source != "go" && !isGo && !header || len(lost) >= diagnosticLimit {
			continue // it says what it does, or nobody knows what
		}
		lost = append(lost, Diagnostic{Source: source, Text: clip(message)})
		last = &lost[len(lost)-1]
	}
	if len(found) > 0 {
		return found
	}
	return lost
}

func (d Diagnostic) note() Note {
	return Note{Text: d.Text, File: d.File, Line: d.Line, Column: d.Column, LineText: d.LineText}
}

func same(a, b Diagnostic) bool {
	return a.Text == b.Text && a.File == b.File && a.Line == b.Line && a.Column == b.Column
}

// progress reports whether the go command tells what it is doing.
func progress(message string) bool {
	word, _, _ := strings.Cut(message, " ")
	switch word {
	case "downloading", "finding", "extracting", "added", "upgraded", "downgraded", "removed", "creating":
		return true
	}
	return false
}

// placed reads a message that begins with a place in a file that is there.
func (f finder) placed(line string) (Diagnostic, bool) {
	if m := templError.FindStringSubmatch(line); m != nil {
		column, _ := strconv.Atoi(m[4]) // from 0
		return f.diagnostic(m[1], m[3], strconv.Itoa(column+1), m[2])
	}
	if m := placed.FindStringSubmatch(line); m != nil {
		return f.diagnostic(m[1], m[2], m[3], m[4])
	}
	if m := inParens.FindStringSubmatch(line); m != nil {
		return f.diagnostic(m[1], m[2], m[3], m[4])
	}
	return Diagnostic{}, false
}

func (f finder) diagnostic(file, line, column, text string) (Diagnostic, bool) {
	name, ok := f.resolve(file)
	if !ok {
		return Diagnostic{}, false
	}
	d := Diagnostic{Text: clip(text), File: f.relative(name)}
	d.Line, _ = strconv.Atoi(line)
	bytes, _ := strconv.Atoi(column)
	d.LineText, d.Column = lineOf(name, d.Line, bytes)
	return d, true
}

// resolve finds the file that a program calls name.
func (f finder) resolve(name string) (string, bool) {
	var candidates []string
	name = filepath.FromSlash(name)
	if filepath.IsAbs(name) {
		candidates = []string{name}
	} else {
		candidates = []string{filepath.Join(f.dir, name), filepath.Join(f.root, name)}
		if rel, ok := below(f.module, filepath.ToSlash(name)); ok && f.module != "" { // -trimpath
			candidates = append(candidates, filepath.Join(f.root, filepath.FromSlash(rel)))
		}
	}
	for _, c := range candidates {
		if info, err := os.Stat(c); err == nil && info.Mode().IsRegular() {
			return c, true
		}
	}
	return "", false
}

// relative is name as a [Diagnostic] has it.
func (f finder) relative(name string) string {
	name = filepath.ToSlash(name)
	if rel, ok := below(filepath.ToSlash(f.dir), name); ok {
		return rel
	}
	return name
}

// lineOf reads line n of a file, and converts a column that counts its bytes from 1; 0 stays 0.
func lineOf(name string, n, bytes int) (text string, column int) {
	file, err := os.Open(name)
	if err != nil {
		return "", 0
	}
	defer file.Close()
	r := bufio.NewReader(io.LimitReader(file, sourceLimit))
	for i := 1; ; i++ {
		line, err := r.ReadString('\n')
		if i == n {
			text = strings.TrimRight(line, "\r\n")
			break
		}
		if err != nil {
			return "", 0
		}
	}
	if bytes > 0 {
		column = 1
		for i, r := range text {
			if i >= bytes-1 {
				break
			}
			column += max(utf16.RuneLen(r), 1)
		}
	}
	if len(text) > codeLimit {
		text = ""
	}
	return strings.ToValidUTF8(text, "\uFFFD"), column
}

var (
	goroutineLine = regexp.MustCompile(`^goroutine \d+ .*\[.*\]:$`)
	goFrame       = regexp.MustCompile(`^\t(.+\.\w+):(\d+)(?: \+0x[0-9a-f]+.*)?$`)
	nodeFrame     = regexp.MustCompile(`^\s+at (?:(.*) \()?(?:file://)?((?:/|[A-Za-z]:)[^:()]*):(\d+):(\d+)\)?$`)
	nodeHeader    = regexp.MustCompile(`^((?:/|[A-Za-z]:).*\.[cm]?[jt]s):(\d+)$`) // before the line that cannot be read
	nodeError     = regexp.MustCompile(`^(?:Uncaught )?[\w$]*Error\b.*`)
)

// crash reads what the Go runtime said before it ended a program.
func (f finder) crash(text string) (Diagnostic, bool) {
	d := Diagnostic{Source: "panic"}
	var message []string
	var function string
	said := false
	goroutines := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case goroutineLine.MatchString(line):
			goroutines++
		case goroutines == 0:
			if said = said || line == ""; !said && len(message) < frameLimit {
				message = append(message, strings.TrimSpace(line))
			}
		case line == "":
			if d.File != "" {
				goroutines++ // the first with code of the user's is the one
			}
		case line[0] != '\t':
			function = line
		default:
			if m := goFrame.FindStringSubmatch(line); m != nil && len(d.Notes) < frameLimit && (d.File == "" || goroutines == 1) {
				f.frame(&d, functionName(function), m[1], m[2], "")
			}
		}
	}
	if len(message) == 0 || goroutines == 0 {
		return d, false
	}
	d.Text = clip(strings.Join(message, "\n"))
	return d, true
}

// script reads what Node says of an error that nobody caught.
func (f finder) script(text string) (Diagnostic, bool) {
	d := Diagnostic{Source: "node"}
	var header []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := nodeFrame.FindStringSubmatch(line); m != nil {
			if d.Text != "" && len(d.Notes) < frameLimit {
				f.frame(&d, m[1], m[2], m[3], m[4])
			}
		} else if m := nodeHeader.FindStringSubmatch(line); m != nil {
			header = m
		} else if nodeError.MatchString(line) {
			d = Diagnostic{Source: "node", Text: clip(line)}
		}
	}
	if d.Text != "" && d.File == "" && header != nil {
		f.frame(&d, "", header[1], header[2], "")
	}
	return d, d.File != ""
}

// frame adds one frame of a stack if it is in the user's own code: the first is where it happened.
func (f finder) frame(d *Diagnostic, function, file, line, column string) {
	name, ok := f.resolve(file)
	if !ok || !f.own(name) {
		return
	}
	at, _ := f.diagnostic(name, line, column, function)
	if d.File == "" {
		d.File, d.Line, d.Column, d.LineText = at.File, at.Line, at.Column, at.LineText
		return
	}
	if n := len(d.Notes); n == 0 || d.Notes[n-1] != at.note() { // no frame of a recursion more than once in a row
		d.Notes = append(d.Notes, at.note())
	}
}

// own reports whether the file is the user's, and no dependency's.
func (f finder) own(name string) bool {
	rel, ok := below(filepath.ToSlash(f.root), filepath.ToSlash(name))
	if !ok {
		return false
	}
	for part := range strings.SplitSeq(rel, "/") {
		if part == "vendor" || part == "node_modules" || strings.Contains(part, "@v") { // of a module cache
			return false
		}
	}
	return true
}

// functionName cuts the arguments and the goroutine off a line of a stack.
func functionName(line string) string {
	line = strings.TrimPrefix(line, "created by ")
	line, _, _ = strings.Cut(line, " in goroutine ")
	if i := strings.LastIndexByte(line, '('); i > 0 && strings.HasSuffix(line, ")") {
		line = line[:i]
	}
	return line
}

// ended says why a program ended with err: by a crash that it told of, or with what it said last.
func (f finder) ended(what string, err error, o *output) []Diagnostic {
	if panicked(err, o) {
		if d, ok := f.crash(string(o.crash)); ok {
			return []Diagnostic{d}
		}
	}
	if d, ok := f.script(escapes.ReplaceAllString(string(o.tail), "")); ok {
		return []Diagnostic{d}
	}
	return []Diagnostic{exit(what, err, o)}
}

// panicked reports whether err is how a Go program ends that has panicked, also below `go run`; -1 is for a signal.
func panicked(err error, o *output) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && (exit.ExitCode() == 2 || exit.ExitCode() == -1 || exit.ExitCode() == 1 && o.last(1) == "exit status 2")
}

// exit is what can be said when nothing more is known.
func exit(what string, err error, o *output) Diagnostic {
	d := Diagnostic{Source: "exit", Text: fmt.Sprintf("%s: %v", what, err)}
	said := strings.ToValidUTF8(escapes.ReplaceAllString(o.last(lastLines), ""), "\uFFFD")
	if strings.Contains(said, "address already in use") || strings.Contains(said, "EADDRINUSE") {
		d.Notes = append(d.Notes, Note{Text: "Another program has the port: end it, or give this one another."})
	}
	if said != "" {
		d.Notes = append(d.Notes, Note{Text: said})
	}
	return d
}

// clip makes a message of what a program said.
func clip(text string) string {
	if len(text) > textLimit {
		n := textLimit
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
