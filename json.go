package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/server"
)

// jsonLines is what a program reads: one object a line. The names are those of the event
// stream where both tell the same.
type jsonLines struct {
	quiet bool
	state state
}

// What a line has of errors.
const (
	jsonShown = 100
	jsonNotes = 20      // of each
	jsonBytes = 8 << 10 // bytes of a text or a line of code
)

type jsonReady struct {
	Event string    `json:"event"` // "ready"
	Time  time.Time `json:"time"`
	URL   string    `json:"url"`
	URLs  []string  `json:"urls"` // the same first
	Dir   string    `json:"dir"`
	MS    float64   `json:"ms"`
}

type jsonBuild struct {
	Event    string           `json:"event"` // "built" or "error"
	Time     time.Time        `json:"time"`
	Build    int64            `json:"build"`            // 0: no build, a page asked for a module that is not there
	Source   string           `json:"source,omitempty"` // of errors that are not of the site's own build
	Files    []string         `json:"files"`
	Entry    string           `json:"entry,omitempty"`
	Did      string           `json:"did"`
	Reason   string           `json:"reason,omitempty"`
	Modules  int              `json:"modules"`
	MS       float64          `json:"ms"`
	Clients  int              `json:"clients"`
	Fixed    bool             `json:"fixed,omitempty"` // the build before failed
	Errors   []jsonDiagnostic `json:"errors,omitempty"`
	Warnings []jsonDiagnostic `json:"warnings,omitempty"`
}

type jsonCommand struct {
	Event  string           `json:"event"` // "command"
	Time   time.Time        `json:"time"`
	Name   string           `json:"name"`
	Phase  string           `json:"phase"` // waiting, building, starting, ready, failed, stopped
	Reason string           `json:"reason"`
	Files  []string         `json:"files"`
	MS     float64          `json:"ms"` // of ready and failed: since the change
	Errors []jsonDiagnostic `json:"errors,omitempty"`
}

// Times are in ms since the first change was seen, and missing where nothing is known.
type jsonTrace struct {
	Event    string    `json:"event"` // "trace"
	Time     time.Time `json:"time"`
	Build    int64     `json:"build"`
	Files    []string  `json:"files"`
	Written  float64   `json:"written,omitempty"` // by the file system's clock
	Settled  float64   `json:"settled,omitempty"`
	Began    float64   `json:"began,omitempty"`
	Compiled float64   `json:"compiled,omitempty"`
	Sent     float64   `json:"sent,omitempty"`
	Page     int       `json:"page,omitempty"` // from 1: which page to report what follows
	Received float64   `json:"received,omitempty"`
	Run      float64   `json:"run,omitempty"`
	Painted  float64   `json:"painted,omitempty"`
	Reported float64   `json:"reported,omitempty"`
}

type jsonDiagnostic struct {
	jsonNote
	Notes []jsonNote `json:"notes,omitempty"`
}

// Line and column count from 1, column and length in UTF-16 code units.
type jsonNote struct {
	Text     string `json:"text"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Length   int    `json:"length,omitempty"`
	LineText string `json:"lineText,omitempty"`
}

type jsonText struct {
	Event string    `json:"event"` // "note", "reload", "output" or "stopped"
	Time  time.Time `json:"time"`
	Name  string    `json:"name,omitempty"` // of the command whose output it is
	Text  string    `json:"text,omitempty"`
}

func (j *jsonLines) progress(compiled, found int) string { return "" }

func (j *jsonLines) print(at time.Time, event any) string {
	switch e := event.(type) {
	case ready:
		urls := append(e.local, e.network...)
		return line(jsonReady{Event: "ready", Time: at, URL: urls[0], URLs: urls, Dir: e.dir, MS: ms(e.took)})
	case server.Build:
		fixed := j.state.fixed(e)
		if j.quiet && len(e.Errors) == 0 && !fixed {
			return ""
		}
		b := jsonBuild{
			Event: "built", Time: at, Build: e.Number, Source: e.Source, Files: append([]string{}, e.Files...), Entry: e.Entry, Did: e.Did,
			Reason: beginning(e.Reason), Modules: e.Modules, MS: ms(e.Took), Clients: e.Clients, Fixed: fixed,
			Errors: jsonDiagnostics(e.Errors), Warnings: jsonDiagnostics(e.Warnings),
		}
		if len(e.Errors) > 0 {
			b.Event = "error"
		}
		return line(b)
	case server.Trace:
		if j.quiet {
			return ""
		}
		return line(traceOf(at, e))
	case reloading:
		if j.quiet {
			return ""
		}
		return line(jsonText{Event: "reload", Time: at, Text: beginning(e.reason)})
	case commandState:
		if j.quiet && e.Phase != command.Failed {
			return ""
		}
		return line(jsonCommand{
			Event: "command", Time: at, Name: e.Name, Phase: e.Phase.String(), Reason: e.Reason, Files: append([]string{}, e.Files...), MS: ms(e.Took),
			Errors: jsonDiagnostics(e.errors),
		})
	case printed:
		if j.quiet {
			return ""
		}
		return line(jsonText{Event: "output", Time: at, Name: e.name, Text: e.line})
	case note:
		return line(jsonText{Event: "note", Time: at, Text: e.text})
	case stopped:
		return line(jsonText{Event: "stopped", Time: at})
	}
	return ""
}

func traceOf(at time.Time, e server.Trace) jsonTrace {
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return ms(t.Sub(e.Seen))
	}
	j := jsonTrace{
		Event: "trace", Time: at, Build: e.Build, Files: append([]string{}, e.Files...),
		Written: since(e.Written), Settled: since(e.Settled), Began: since(e.Began), Compiled: since(e.Compiled), Sent: since(e.Sent),
	}
	if n := len(e.Pages); n > 0 {
		p := e.Pages[n-1]
		j.Page, j.Received, j.Run, j.Painted, j.Reported = n, since(p.Received), since(p.Run), since(p.Painted), since(p.Reported)
	}
	return j
}

// jsonDiagnostics are as many as the event stream has.
func jsonDiagnostics(ds []server.Diagnostic) (out []jsonDiagnostic) {
	for i, d := range ds {
		if i == jsonShown {
			return append(out, jsonDiagnostic{jsonNote: jsonNote{Text: fmt.Sprintf("%d more are not shown", len(ds)-i)}})
		}
		j := jsonDiagnostic{jsonNote: jsonNote{
			Text: beginning(d.Text), File: beginning(d.File), Line: d.Line, Column: d.Column, Length: d.Length, LineText: beginning(d.LineText),
		}}
		for _, n := range d.Notes[:min(len(d.Notes), jsonNotes)] {
			n.Text, n.LineText = beginning(n.Text), beginning(n.LineText)
			j.Notes = append(j.Notes, jsonNote(n))
		}
		out = append(out, j)
	}
	return out
}

// beginning is text, or the beginning of one that is too long.
func beginning(text string) string {
	if len(text) <= jsonBytes {
		return text
	}
	return strings.ToValidUTF8(text[:jsonBytes], "") + "…"
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// line encodes v. What a terminal would obey is escaped, since people look at logs too.
func line(v any) string {
	var text, b strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // the types above always marshal
	}
	for _, r := range text.String() {
		if commands(r) && r != '\n' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
