package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/devserve/devserve/reload"
	"github.com/devserve/devserve/watcher"
)

const (
	templateSource  = "template"  // of what OnChange finds wrong
	renderingSource = "rendering" // of what a page finds wrong that the program does not render; as in client/src/overlay.ts
)

// templates watches the files beside the site from which a program renders its pages. They have a watcher of
// their own: a site keeps its own rules of what is ignored, and may lie within their folder or
// they in its.
type templates struct {
	globs   []string // absolute, slash-separated
	watcher *watcher.Watcher
}

// newTemplates checks globs, and returns nil for none.
func newTemplates(globs []string, o watcher.Options) (*templates, error) {
	if len(globs) == 0 {
		return nil, nil
	}
	t := &templates{}
	var roots []string
	for _, g := range globs {
		abs, err := filepath.Abs(g)
		if err != nil || g == "" || !doublestar.ValidatePattern(filepath.ToSlash(g)) {
			return nil, fmt.Errorf("server: bad glob %q to watch: give one as \"templates/**/*.html\"", g)
		}
		if info, err := os.Stat(abs); err == nil && info.IsDir() {
			abs = filepath.Join(abs, "**")
		}
		glob := filepath.ToSlash(abs)
		t.globs = append(t.globs, glob)
		root, _ := doublestar.SplitPattern(glob)
		if info, err := os.Stat(root); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("server: watch %q: there is no folder %q", g, filepath.FromSlash(root))
		}
		roots = append(roots, filepath.FromSlash(root))
	}
	var err error
	t.watcher, err = watcher.New(outermost(roots), o)
	return t, err
}

// outermost returns those folders that lie in no other.
func outermost(dirs []string) []string {
	var out []string
	for i, d := range dirs {
		inner := false
		for j, o := range dirs {
			inner = inner || d == o && j < i || d != o && strings.HasPrefix(d, strings.TrimSuffix(o, string(filepath.Separator))+string(filepath.Separator))
		}
		if !inner {
			out = append(out, d)
		}
	}
	return out
}

// matching returns the files of b that the globs mean.
func (t *templates) matching(b watcher.Batch) []string {
	var files []string
	for _, c := range b.Changes {
		if t.means(c.Path) {
			files = append(files, c.Path)
		}
	}
	return files
}

func (t *templates) means(path string) bool {
	return slices.ContainsFunc(t.globs, func(g string) bool { return doublestar.MatchUnvalidated(g, filepath.ToSlash(path)) })
}

// files returns changed, and then all other files that the globs mean.
func (t *templates) files(changed []string) []string {
	files := slices.Clone(changed)
	for _, g := range t.globs {
		found, _ := doublestar.FilepathGlob(filepath.FromSlash(g), doublestar.WithFilesOnly()) // unreadable folders have none
		files = append(files, found...)
	}
	return files
}

// watchTemplates watches until ctx is done.
func (s *Server) watchTemplates(ctx context.Context) error {
	return s.templates.watcher.Run(ctx, func(b watcher.Batch) {
		s.safely("a change of templates", func() {
			if files := s.templates.matching(b); len(files) > 0 {
				s.templatesChanged(files, traceOf(b))
			}
		})
	})
}

// templatesChanged has the program take its templates in anew, and then the pages.
func (s *Server) templatesChanged(files []string, trace *reload.Trace) {
	if s.o.OnChange != nil {
		trace.Began = time.Now()
		var err error
		if !s.safely("OnChange", func() { err = s.o.OnChange(files) }) {
			return
		}
		if err != nil {
			s.Diagnose(templateSource, templateErrors(err, s.templates.files(files)))
			return
		}
		s.Diagnose(templateSource, nil)
		trace.Compiled = time.Now()
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = fromWorkingDir(f)
	}
	trace.Files = names
	s.telling.Lock()
	defer s.telling.Unlock()
	s.refresh(names, trace)
}

// aTemplate matches the names of files that say how pages look and nothing else, and what templ makes of them.
var aTemplate = regexp.MustCompile(`(?i)(_templ\.go|\.(templ|html?|tmpl|gotmpl|gohtml))$`)

func onlyTemplates(files []string) bool {
	return len(files) > 0 && !slices.ContainsFunc(files, func(f string) bool { return !aTemplate.MatchString(f) })
}

// templateErrors are the errors that err, or each that it joins, consists of. files are where their place may be.
func templateErrors(err error, files []string) []Diagnostic {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var ds []Diagnostic
		for _, e := range joined.Unwrap() {
			ds = append(ds, templateErrors(e, files)...)
		}
		return ds
	}
	d := Diagnostic{Source: templateSource, Text: err.Error()}
	m := templateError.FindStringSubmatch(d.Text)
	if m == nil {
		return []Diagnostic{d}
	}
	for _, f := range files {
		if !strings.HasSuffix(filepath.ToSlash(f), "/"+m[1]) {
			continue
		}
		data, err := os.ReadFile(f)
		lines := strings.Split(string(data), "\n")
		n, _ := strconv.Atoi(m[2])
		if err != nil || n < 1 || n > len(lines) {
			continue
		}
		d.Text, d.File, d.Line, d.LineText = m[4], fromWorkingDir(f), n, strings.TrimSuffix(lines[n-1], "\r")
		if at, err := strconv.Atoi(m[3]); err == nil && at <= len(d.LineText) {
			d.Column = units([]byte(d.LineText[:at])) + 1
		}
		break
	}
	return []Diagnostic{d}
}

// templateError is what text/template and html/template say. Lines count from 1, columns bytes from 0.
var templateError = regexp.MustCompile(`template: ?([^\s:]+):(\d+)(?::(\d+))?: ((?s).*)`)

// fromWorkingDir is a path for people.
func fromWorkingDir(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || strings.HasPrefix(rel, ".."+string(filepath.Separator)+"..") {
		return path
	}
	return filepath.ToSlash(rel)
}

// Refresh tells the pages that the program renders to fetch themselves again and to change where they are rendered
// otherwise than before: form input, focus, what scripts have made, all that is equal stays. A page that cannot is
// loaded anew and says why. What says what has changed, such as the names of templates; [Options.Watch] does it by itself.
func (s *Server) Refresh(what ...string) {
	if len(what) == 0 {
		what = []string{"what the pages are rendered from"}
	}
	s.refresh(what, nil)
}

func (s *Server) refresh(what []string, trace *reload.Trace) {
	updates := make([]reload.Update, len(what))
	for i, w := range what {
		updates[i] = reload.Update{Type: reload.HTML, Path: w, Rendered: true}
	}
	s.state.refresh(updates, trace)
	if s.o.OnBuild != nil {
		s.o.OnBuild(Build{Files: what, Did: "page refresh", Clients: s.hub.Clients()})
	}
}
