package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/server"
)

// lateAfter is how long after a write the event may come without being worth a word: file systems' clocks tick every 4ms or 10ms.
const lateAfter = 20 * time.Millisecond

// What is printed of errors: what fits a terminal. The overlay has more of them.
const (
	diagnosticsShown = 10
	notesShown       = 5  // of each
	linesShown       = 20 // of a text; those of more than maxFrame cells are cut
)

// exposed is said once when others than this machine can connect.
const exposed = "Whoever reaches this machine can read the site and its sources there."

// text is what a person reads.
type text struct {
	style
	quiet bool
	width int // of the terminal; 0 if it is none
	state state

	reloads reloads
	below   int64 // number of the build whose line is the last; what comes under another one names its files
}

// reloads tells the first of several tabs that reload for one reason.
type reloads struct {
	last reloading
	at   time.Time
}

func (r *reloads) news(at time.Time, e reloading) bool {
	again := r.last == e && at.Sub(r.at) < time.Second
	r.last, r.at = e, at
	return !again
}

// state remembers whether the last build failed.
type state struct{ broken bool }

// fixed notes e and reports whether it is the good build after one or more that failed.
func (s *state) fixed(e server.Build) bool {
	if e.Number == 0 {
		return false
	}
	was := s.broken
	s.broken = len(e.Errors) > 0
	return was && !s.broken
}

func newText(w io.Writer, quiet bool) *text {
	width, terminal := terminalWidth(w)
	return &text{style: style(coloured(terminal)), quiet: quiet, width: width}
}

func (t *text) print(at time.Time, event any) string {
	switch e := event.(type) {
	case ready:
		return t.ready(e)
	case server.Build:
		return t.build(at, e)
	case server.Trace:
		return t.trace(e)
	case reloading:
		if t.quiet || !t.reloads.news(at, e) {
			return ""
		}
		return t.time(at) + t.dim("page reloads: "+excerpt(e.reason, "  ")) + "\n"
	case commandState:
		return t.command(at, e)
	case printed:
		if t.quiet {
			return ""
		}
		return t.dim(clean(short(e.name))+" | ") + clean(sequences.ReplaceAllString(e.line, "")) + "\n"
	case note:
		return t.time(at) + cleanLines(e.text, "  ") + "\n"
	}
	return ""
}

func (t *text) progress(compiled, found int) string {
	if t.width == 0 || t.quiet {
		return ""
	}
	return fmt.Sprintf("compiled %d of %d modules", compiled, found)
}

func (t *text) ready(e ready) string {
	if t.quiet {
		return strings.Join(append(e.local, e.network...), "\n") + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s serves %s, ready in %s\n\n", t.bold("devserve"), clean(e.dir), took(e.took))
	for _, u := range e.local {
		fmt.Fprintf(&b, "  Local    %s\n", t.cyan(u))
	}
	for _, u := range e.network {
		fmt.Fprintf(&b, "  Network  %s\n", t.cyan(u))
	}
	if len(e.network) > 0 {
		fmt.Fprintf(&b, "           %s\n", t.yellow(exposed))
	}
	if e.port != e.wanted && e.wanted != 0 {
		fmt.Fprintf(&b, "\n  Port %d is in use, so this is %d.\n", e.wanted, e.port)
	}
	b.WriteByte('\n')
	return b.String()
}

// build is one line, and what is wrong below it.
func (t *text) build(at time.Time, e server.Build) string {
	failed := len(e.Errors) > 0
	fixed := t.state.fixed(e)
	t.below = e.Number
	if t.quiet && !failed && !fixed {
		return ""
	}
	var b strings.Builder
	b.WriteString(t.time(at))
	if subject := clean(subject(e)); subject != "" {
		b.WriteString(subject + ": ")
	}
	switch {
	case failed:
		b.WriteString(t.red(count(len(e.Errors), "error")))
	case fixed:
		b.WriteString(t.green("fixed") + ", ")
	}
	if !failed {
		b.WriteString(done(e))
	}
	var facts []string
	if e.Number > 0 {
		facts = append(facts, took(e.Took))
	}
	if e.Entry == "" || failed { // nobody is told of a first build
		facts = append(facts, count(e.Clients, "client"))
	}
	b.WriteString(" " + t.dim("("+strings.Join(facts, ", ")+")") + "\n")
	below := t.diagnostics(t.red("error"), e.Errors)
	if !t.quiet {
		below += t.diagnostics(t.yellow("warning"), e.Warnings)
	}
	if below != "" {
		b.WriteString(below + "\n")
	}
	return b.String()
}

// trace is a line under that of its build, in milliseconds since the first change was seen. A second page adds its part.
func (t *text) trace(e server.Trace) string {
	if t.quiet {
		return ""
	}
	var legs []string
	leg := func(name string, at time.Time) {
		if !at.IsZero() {
			legs = append(legs, fmt.Sprintf("%s %.1f", name, ms(at.Sub(e.Seen))))
		}
	}
	subject, n := "", len(e.Pages)
	if e.Build != t.below {
		subject = clean(changed(e.Files)) + ": "
	}
	if n < 2 {
		seen := "seen"
		if late := e.Seen.Sub(e.Written); !e.Written.IsZero() && late > lateAfter {
			seen += " " + took(late) + " after the write"
		}
		legs = append(legs, seen)
		leg("settled", e.Settled)
		leg("compiled", e.Compiled)
		leg("sent", e.Sent)
	} else {
		subject += fmt.Sprintf("page %d: ", n)
	}
	if n > 0 {
		p := e.Pages[n-1]
		leg("received", p.Received)
		leg("run", p.Run)
		leg("painted", p.Painted)
	}
	return strings.Repeat(" ", len(time.TimeOnly)+2) + t.dim(subject+strings.Join(legs, " → ")+" ms") + "\n"
}

// command is one line when something has come of it. What a program says of its errors stands above it, unless
// that is not shown.
func (t *text) command(at time.Time, e commandState) string {
	subject := clean(e.Name)
	if len(e.Files) > 0 {
		subject = clean(changed(e.Files)) + ": " + subject
	}
	what := ""
	switch {
	case e.Phase == command.Failed:
		what = t.red("failed") + ", " + clean(e.Reason)
	case t.quiet:
	case e.Phase == command.Ready && e.Generator:
		what = "has run"
	case e.Phase == command.Ready:
		what = "is ready"
	case e.Phase == command.Stopped:
		what = "has ended"
	}
	if what == "" {
		return ""
	}
	text := t.time(at) + subject + " " + what
	if e.Took > 0 {
		text += " " + t.dim("("+took(e.Took)+")")
	}
	text += "\n"
	if t.quiet {
		text += t.diagnostics(t.red("error"), e.errors) + "\n"
	}
	return text
}

// short is enough of a command's name to stand in front of each line that it prints.
func short(name string) string {
	const most = 20
	if r := []rune(name); len(r) > most {
		return "…" + string(r[len(r)-most+1:])
	}
	return name
}

// sequences are the colours and links of a program that does not see that it writes to a pipe.
var sequences = regexp.MustCompile("\x1b(\\[[0-9;:?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\))")

func (t *text) time(at time.Time) string { return t.dim(at.Format(time.TimeOnly)) + "  " }

// subject is what a build was about.
func subject(e server.Build) string {
	switch {
	case e.Source != "":
		return e.Source
	case e.Entry != "":
		return e.Entry
	}
	return changed(e.Files)
}

// changed names files, the first of them if they are many.
func changed(files []string) string {
	const shown = 3
	if len(files) > shown {
		return fmt.Sprintf("%s and %d more files", strings.Join(files[:shown], ", "), len(files)-shown)
	}
	return strings.Join(files, ", ")
}

// done says what a good build brought to the pages.
func done(e server.Build) string {
	switch e.Did {
	case "first build":
		return "first build, " + count(e.Modules, "module")
	case "style sheet":
		return "style sheet swapped"
	case "asset":
		return "asset refreshed"
	case "page refresh":
		return "pages rendered anew"
	case "page reload":
		if e.Reason != "" {
			return "page reload: " + excerpt(e.Reason, "  ")
		}
	}
	return clean(e.Did)
}

func (t *text) diagnostics(label string, ds []server.Diagnostic) string {
	var b strings.Builder
	for i, d := range ds {
		if i == diagnosticsShown {
			fmt.Fprintf(&b, "\n  and %d more\n", len(ds)-i)
			break
		}
		b.WriteString("\n  " + label + " ")
		t.diagnostic(&b, "  ", server.Note{
			Text: d.Text, File: d.File, Line: d.Line, Column: d.Column, Length: d.Length, LineText: d.LineText,
		})
		for i, n := range d.Notes {
			if i == notesShown {
				fmt.Fprintf(&b, "\n    and %d more notes\n", len(d.Notes)-i)
				break
			}
			b.WriteString("\n    ")
			t.diagnostic(&b, "    ", n)
		}
	}
	return b.String()
}

// diagnostic writes one as the overlay's copy has it: place, message, code frame.
func (t *text) diagnostic(b *strings.Builder, indent string, d server.Note) {
	if at := place(d); at != "" {
		b.WriteString(t.bold(at) + ": ")
	}
	b.WriteString(excerpt(d.Text, indent) + "\n")
	room := maxFrame
	if t.width > 0 {
		room = max(t.width-len(indent)-len("  12345 | "), 20)
	}
	if f, ok := codeFrame(d, room); ok {
		gutter := fmt.Sprintf("%s  %d", indent, d.Line)
		fmt.Fprintf(b, "%s %s%s%s\n", t.dim(gutter+" |"), f.before, t.bold(f.marked), f.after)
		if f.caret != "" {
			fmt.Fprintf(b, "%s %s%s\n", t.dim(strings.Repeat(" ", len(gutter))+" |"), f.blank, t.red(f.caret))
		}
	}
}

// cleanLines is clean for text of several lines; those after the first are indented.
func cleanLines(text, indent string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n"+indent)
}

// excerpt is cleanLines for a text of any length.
func excerpt(text, indent string) string {
	lines := strings.SplitN(text, "\n", linesShown+1)
	for i, line := range lines {
		if i == linesShown {
			line = fmt.Sprintf("… and %d more lines", strings.Count(line, "\n")+1)
		}
		lines[i] = head(clean(line[:min(len(line), 8*maxFrame)]), maxFrame)
	}
	return strings.Join(lines, "\n"+indent)
}

// place is "src/app.ts:12:5", without what is unknown.
func place(d server.Note) string {
	at := excerpt(d.File, "")
	if at != "" && d.Line > 0 {
		at += fmt.Sprintf(":%d", d.Line)
		if d.Column > 0 {
			at += fmt.Sprintf(":%d", d.Column)
		}
	}
	return at
}

// took is d in the precision that people care for.
func took(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 0.05:
		return "<0.1 ms"
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// A style paints text for a terminal that shows colours, or leaves it as it is.
type style bool

func (s style) bold(text string) string   { return s.paint("1", text) }
func (s style) dim(text string) string    { return s.paint("2", text) }
func (s style) red(text string) string    { return s.paint("31", text) }
func (s style) green(text string) string  { return s.paint("32", text) }
func (s style) yellow(text string) string { return s.paint("33", text) }
func (s style) cyan(text string) string   { return s.paint("36", text) }

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}
