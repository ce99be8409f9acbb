package server

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/reload"
)

// state is what is wrong and what is not: how the last build went, and which modules pages
// asked for in vain. The builder knows nothing of the latter, as there is no file to build; so they are
// added here to what it says, and the pages see one error until all is mended.
//
// A missing module is forgotten when its file comes, which reloads the pages, and when its page
// is loaded again: if the page still wants the module it will ask again.
//
// What others find wrong (a backend, a template) has a source of its own and is no business of the site's
// builds: see diagnose.
type state struct {
	publish func(reload.Event) // does not wait
	base    string

	mu     sync.Mutex    // held while publishing: events keep the order of what they tell
	good   reload.Built  // number and hash of the last good build
	bad    *reload.Error // what the last build found wrong, or nil
	absent []absence
	came   string                  // why pages must reload once nothing is wrong, or ""
	listed map[string]bool         // URL paths of the folders whose listing was shown
	others map[string][]Diagnostic // what other sources have found wrong, by source
}

// An absence is a module that was asked for and is not there.
type absence struct {
	name string // relative to the site
	from string // URL path of what asked for it, or ""
	builder.Diagnostic
}

// building says that a build began.
func (s *state) building(build int64, files []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish(reload.Building{Build: build, Files: files})
}

// result says what a build found, and how it came to it, which may be nil.
func (s *state) result(r builder.Result, trace *reload.Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event(r, s.base).(type) {
	case reload.Error:
		beside := e.Updates
		info := e.Info
		e.Updates, e.Info = nil, nil // told once
		s.bad = &e
		if r.Reload == notHot {
			s.came = notHot
		}
		wrong := s.wrong()
		wrong.Info, wrong.Trace = info, trace
		wrong.Updates = append(beside, listings(r.Files, s.base, s.listed)...)
		s.publish(wrong)
	case reload.Built:
		s.good, s.bad = reload.Built{Build: e.Build, Hash: e.Hash}, nil
		e.Updates = append(e.Updates, listings(r.Files, s.base, s.listed)...)
		e.Trace = trace
		s.built(e)
	}
}

// missed says that a module is not there, and reports whether that is news.
func (s *state) missed(a absence) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.absent, func(b absence) bool { return a.name == b.name && a.from == b.from }) {
		return false
	}
	s.absent = append(s.absent, a)
	s.publish(s.wrong())
	return true
}

// diagnose says that all that is wrong with source, which is not the site's build, is errors; nothing if it is mended. It
// reports whether that is news.
func (s *state) diagnose(source string, errors []Diagnostic) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before := s.others[source]; len(errors) == 0 && len(before) == 0 || reflect.DeepEqual(before, errors) {
		return false
	}
	if len(errors) == 0 {
		delete(s.others, source)
		s.publish(reload.Built{Build: s.good.Build, Hash: s.good.Hash, Source: source})
		return true
	}
	if s.others == nil {
		s.others = map[string][]Diagnostic{}
	}
	s.others[source] = slices.Clone(errors)
	s.publish(reload.Error{Build: s.good.Build, Source: source, Errors: diagnostics(errors)})
	return true
}

// refresh tells the pages that what they are rendered from has changed.
func (s *state) refresh(updates []reload.Update, trace *reload.Trace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish(reload.Built{Build: s.good.Build, Hash: s.good.Hash, Source: renderingSource, Updates: updates, Trace: trace})
}

// loaded says that the page at a URL path is loaded anew.
func (s *state) loaded(page string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(func(a absence) bool {
		// What asked may be a script, or nobody knows who: any page may be the one that loads it.
		return a.from == page || a.from == "" || isScript(path.Ext(a.from))
	})
}

// changed says that files have changed; exists tells which are there now.
func (s *state) changed(exists func(name string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(func(a absence) bool {
		there := exists(a.name)
		if there {
			s.came = a.name + " was missing and is there now"
		}
		return there
	})
}

// list notes that the listing at a URL path is shown.
func (s *state) list(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed == nil {
		s.listed = map[string]bool{}
	}
	s.listed[dir] = true
}

// forget takes out what f says and tells the pages if that changed anything.
func (s *state) forget(f func(absence) bool) {
	before := len(s.absent)
	s.absent = slices.DeleteFunc(s.absent, f)
	switch {
	case len(s.absent) == before:
	case s.broken():
		s.publish(s.wrong())
	default:
		s.built(s.good)
	}
}

// built publishes b, and then again what is still wrong.
func (s *state) built(b reload.Built) {
	if !s.broken() && s.came != "" {
		if b.Reload == nil {
			b.Reload = &reload.FullReload{Reason: s.came}
		}
		s.came = ""
	}
	s.publish(b)
	if s.broken() {
		s.publish(s.wrong())
	}
}

func (s *state) broken() bool { return s.bad != nil || len(s.absent) > 0 }

// wrong is all that is wrong, as one event.
func (s *state) wrong() reload.Error {
	e := reload.Error{Build: s.good.Build, Source: reload.OwnSource}
	if s.bad != nil {
		e = *s.bad
	}
	e.Errors = slices.Clone(e.Errors)
	for _, a := range s.absent {
		e.Errors = append(e.Errors, diagnostics([]builder.Diagnostic{a.Diagnostic})...)
	}
	return e
}

// absence describes that name is missing, and shows where the page at the URL path from asks
// for it, if that is a page of the site.
func (f files) absence(name, from string) absence {
	a := absence{name: name, from: from, Diagnostic: Diagnostic{Source: "devserve"}}
	a.Text = fmt.Sprintf("There is no file %q", name)
	if from == "" {
		return a
	}
	a.Text += ", which " + from + " asks for"
	if rest, ok := strings.CutPrefix(from, f.base); ok {
		if page, ok := f.page(rest); ok {
			a.File = page.name
			a.Line, a.Column, a.Length, a.LineText = f.place(page, name)
		}
	}
	return a
}

// place finds where a page mentions name: line and column from 1, column and length
// in UTF-16 code units. Line is 0 when it does not, as when a script makes the name up.
func (f files) place(page file, name string) (line, column, length int, text string) {
	h, _, refused := f.open(page)
	if refused != nil {
		return
	}
	defer h.Close()
	data, err := io.ReadAll(io.LimitReader(h, smallFile))
	if err != nil {
		return
	}
	for _, words := range []string{f.base + name, name, path.Base(name)} {
		i := bytes.Index(data, []byte(words))
		if i < 0 {
			continue
		}
		start := bytes.LastIndexByte(data[:i], '\n') + 1
		rest, _, _ := bytes.Cut(data[start:], []byte("\n"))
		if len(rest) > 500 { // minified: the frame would not help
			return
		}
		return bytes.Count(data[:i], []byte("\n")) + 1, units(data[start:i]) + 1, units([]byte(words)),
			strings.TrimSuffix(string(rest), "\r")
	}
	return
}

// units counts UTF-16 code units.
func units(text []byte) int { return len(utf16.Encode([]rune(string(text)))) }
