package reload

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// An Event is what a stream carries: its name, and data that marshals to one JSON object.
// [Building], [Built], [Error] and [Custom] are events.
type Event interface {
	name() string
	whole() Event // the event itself, never a pointer, with no nil slice in it
}

// Building says that a build began.
type Building struct {
	Build int64    `json:"build"`
	Files []string `json:"files"` // what changed, relative to the site
}

// OwnSource is the source of the errors that the build of the site itself finds.
const OwnSource = "esbuild"

// Built says that a build succeeded, or that what Source had found wrong is mended. It ends
// the errors of its source and of no other.
type Built struct {
	Build    int64        `json:"build"`
	Source   string       `json:"source,omitempty"` // "" is OwnSource
	Hash     string       `json:"hash"`             // of the whole good state
	MS       float64      `json:"ms"`               // how long the build took
	Warnings []Diagnostic `json:"warnings"`
	Updates  []Update     `json:"updates"`
	Reload   *FullReload  `json:"reload,omitempty"` // set when nothing else will do
	Sync     bool         `json:"sync,omitempty"`   // the present state, told to a new stream

	// Info is what the page must know of updated modules beyond their code: ModuleInfo in
	// client/src/protocol.ts.
	Info json.RawMessage `json:"info,omitempty"`

	Trace *Trace `json:"trace,omitempty"` // of the save that this tells of
}

// own reports whether e is of the site's own build.
func (e Built) own() bool { return e.Source == "" || e.Source == OwnSource }

// FullReload says why a page must be loaded anew.
type FullReload struct {
	Reason string `json:"reason"`
}

// Error says that a build failed, or that something else is wrong. It takes the place of the last
// Error of its source and of no other. The page keeps running the last good build.
type Error struct {
	Build    int64        `json:"build"`
	Source   string       `json:"source"` // who found it: OwnSource (or ""), "backend", …
	Errors   []Diagnostic `json:"errors"`
	Warnings []Diagnostic `json:"warnings"`
	Sync     bool         `json:"sync,omitempty"`

	// Updates is what changed beside, and is not broken; Info is as in [Built].
	Updates []Update        `json:"updates,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`

	Trace *Trace `json:"trace,omitempty"` // of the save that this tells of
}

// Custom is an event of the program's own, for import.meta.hot.on(Event) in the pages.
type Custom struct {
	Event string `json:"event"`
	Data  any    `json:"data"`
}

func (Building) name() string { return "building" }
func (Built) name() string    { return "built" }
func (Error) name() string    { return "error" }
func (Custom) name() string   { return "custom" }

func (e Building) whole() Event {
	e.Files = list(e.Files)
	return e
}

func (e Built) whole() Event {
	e.Warnings = diagnostics(e.Warnings, "")
	e.Updates = list(e.Updates)
	e.Trace = e.Trace.whole()
	return e
}

func (e Error) whole() Event {
	e.Source = cmp.Or(e.Source, OwnSource)
	e.Errors = diagnostics(e.Errors, e.Source)
	e.Warnings = diagnostics(e.Warnings, "")
	e.Trace = e.Trace.whole()
	return e
}

func (e Custom) whole() Event { return e }

// What is sent of errors: more than a person reads, and little enough for every queue, replay and page. A compiler that
// despairs says 10,000 things, and some print the whole of a file.
const (
	maxDiagnostics     = 100
	maxDiagnosticBytes = 128 << 10 // of all together
	maxText            = 8 << 10   // bytes of a text or a line
	maxNotes           = 20
)

// diagnostics returns ds as of source, with every list in it ready for JSON and nothing beyond what is sent; ds is
// not written to.
func diagnostics(ds []Diagnostic, source string) []Diagnostic {
	out := []Diagnostic{}
	size := 0
	for i, d := range ds {
		if i == maxDiagnostics || size > maxDiagnosticBytes {
			return append(out, Diagnostic{Text: fmt.Sprintf("%d more are not shown", len(ds)-i), Source: source, Notes: []Note{}})
		}
		d.Source = source
		d.Text, d.LineText = short(d.Text), short(d.LineText)
		size += len(d.Text) + len(d.LineText)
		notes := []Note{}
		for _, n := range d.Notes[:min(len(d.Notes), maxNotes)] {
			n.Text, n.LineText = short(n.Text), short(n.LineText)
			size += len(n.Text) + len(n.LineText)
			notes = append(notes, n)
		}
		d.Notes = notes
		out = append(out, d)
	}
	return out
}

// short returns text as it is, or the beginning of one that is too long, and says so.
func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	return fmt.Sprintf("%s … and %d bytes more", strings.ToValidUTF8(text[:maxText], ""), len(text)-maxText)
}

// list returns s, or an empty list for nil, which JSON would call null: the page
// may read the length of every list without a check.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// encode returns e's data: JSON on one line, in valid UTF-8, in which <, > and &
// are escaped, so that nothing in a file name or a message ends a line, an
// event or a script element.
func encode(e Event) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("reload: encode %s event: %w", e.name(), err)
	}
	return data, nil
}

// UpdateType says what a page does with an [Update].
type UpdateType string

const (
	JS    UpdateType = "js"    // replace a module
	CSS   UpdateType = "css"   // swap a style sheet
	HTML  UpdateType = "html"  // reload the pages that show it; see Update.Rendered
	Asset UpdateType = "asset" // refresh what uses it
)

// An Update is one thing that changed. Code or URL carry the new content of a js or
// css update that belongs to the module graph; an update with neither is a file the page may
// have loaded by its Path.
type Update struct {
	Type UpdateType `json:"type"`
	Path string     `json:"path"` // URL path with the base, or a module ID
	Code string     `json:"code,omitempty"`
	URL  string     `json:"url,omitempty"`

	// Rendered is set on an html update whose path is no page of the site but a file, or anything for people,
	// from which the program renders its pages. Each fetches itself again and changes what is different.
	Rendered bool `json:"rendered,omitempty"`
}

// A Diagnostic is an error or a warning for people. Line and column count from 1 and
// are 0 when unknown; column and length count UTF-16 code units.
type Diagnostic struct {
	Text     string `json:"text"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Length   int    `json:"length"`
	LineText string `json:"lineText"`
	Notes    []Note `json:"notes"`

	// Source is set by the hub, on errors: a sync has those of every source.
	Source string `json:"source,omitempty"`
}

// A Note adds to a [Diagnostic].
type Note struct {
	Text     string `json:"text"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Length   int    `json:"length,omitempty"`
	LineText string `json:"lineText,omitempty"`
}
