package production

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/internal/private"
	"github.com/devserve/devserve/watcher"
)

// publicDir is the folder whose files are found at the root as they are; see package server.
const publicDir = "public"

// site is what is built: its pages, and all that they name.
type site struct {
	dir, base string
	pages     []*page
	entries   []builder.Entry
	public    []string // the files of the public folder, by the names that they have at the root
	errors    []builder.Diagnostic
	warnings  []builder.Diagnostic
}

// newSite looks at all that a build begins with, and checks it.
func newSite(dir string, o Options) (*site, error) {
	s := &site{dir: dir, base: o.Base}
	if err := s.findPages(o.Ignore); err != nil {
		return nil, err
	}
	for _, p := range s.pages {
		if err := s.scan(p); err != nil {
			return nil, err
		}
	}
	for _, name := range o.Entries {
		if err := s.addEntry(name); err != nil {
			return nil, err
		}
	}
	if len(s.pages) == 0 && len(o.Entries) == 0 {
		return nil, fmt.Errorf("production: nothing to build: there is no HTML file in %s; name what your templates ask for as entries: devserve build --entry src/main.ts", dir)
	}
	return s, s.findPublic()
}

// findPages finds the HTML files of the site: all but those of node_modules, the public folder, outputs of builds and folders
// that are never served.
func (s *site) findPages(ignore []string) error {
	globs, err := watcher.ParseGlobs(ignore)
	if err != nil {
		return badOption("production: %s", strings.TrimPrefix(err.Error(), "watcher: "))
	}
	err = filepath.WalkDir(s.dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.dir, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if name == "." {
			return nil
		}
		ignored := private.Name(name) || globs.Ignore(name, e.IsDir(), false)
		if e.IsDir() {
			_, err := os.Stat(filepath.Join(p, filepath.FromSlash(recordFile)))
			built := err == nil || name == "dist" || name == "coverage" // as for the watcher
			if ignored || built || name == publicDir || e.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := strings.ToLower(path.Ext(name)); ignored || !e.Type().IsRegular() || ext != ".html" && ext != ".htm" {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		read, base := readPage(name, src)
		read.base = base
		s.pages = append(s.pages, read)
		return nil
	})
	if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	return nil
}

// scan resolves the links of a page, and notes what is to be built.
func (s *site) scan(p *page) error {
	at, err := url.Parse("http://site.invalid" + s.base)
	if err != nil {
		return err
	}
	at = at.JoinPath(p.name)
	if base, err := url.Parse(p.base); err == nil && p.base != "" {
		at = at.ResolveReference(base)
	}
	for i := range p.refs {
		r := &p.refs[i]
		if r.inline {
			r.links = []link{{name: p.name, entry: builder.Entry{File: p.name, Use: builder.EntryModule, Code: inPlace(p.src, r.start, r.end)}}}
			s.add(r.links[0].entry)
			continue
		}
		for j := range r.links {
			l := &r.links[j]
			s.resolve(p, r, l, at)
			if l.name != "" && !l.public {
				s.add(l.entry)
			}
		}
	}
	return nil
}

// inPlace returns src[start:end] at the line and the column where it stands in src.
func inPlace(src []byte, start, end int) string {
	line := bytes.LastIndexByte(src[:start], '\n') + 1
	return strings.Repeat("\n", bytes.Count(src[:line], []byte("\n"))) + strings.Repeat(" ", start-line) + string(src[start:end])
}

func (s *site) add(e builder.Entry) {
	if !slices.Contains(s.entries, e) {
		s.entries = append(s.entries, e)
	}
}

// addEntry notes an entry that no page names.
func (s *site) addEntry(name string) error {
	clean := path.Clean(filepath.ToSlash(name))
	rel := strings.TrimPrefix(clean, "/")
	if info, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(rel))); err != nil || !info.Mode().IsRegular() || !filepath.IsLocal(rel) {
		return badOption("production: there is no entry %q in %s: name it relative to the site, as src/main.ts", name, s.dir)
	}
	e := builder.Entry{File: rel, Use: builder.EntryModule}
	if strings.EqualFold(path.Ext(rel), ".css") {
		e.Use = builder.EntryStyle
	}
	s.add(e)
	return nil
}

// resolve finds the file that a link names, if it is one of the site.
func (s *site) resolve(p *page, r *ref, l *link, at *url.URL) {
	text := strings.TrimSpace(r.text[l.start:l.end])
	if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "?") || strings.Contains(text, "{{") {
		return
	}
	u, err := at.Parse(text)
	if err != nil || u.Host != at.Host || u.Scheme != at.Scheme {
		return
	}
	if u.Fragment != "" {
		l.fragment = "#" + u.EscapedFragment()
	}
	names := []string{strings.TrimPrefix(u.Path, "/")}
	if rest, ok := strings.CutPrefix(u.Path, s.base); ok {
		names = []string{rest, names[0]}
	}
	for _, name := range names {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			continue
		}
		for _, in := range []string{publicDir + "/", ""} {
			file := in + name
			info, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(file)))
			if err != nil || !info.Mode().IsRegular() || private.Name(file) {
				continue
			}
			l.name, l.public = name, in != ""
			l.entry = builder.Entry{File: file, Use: l.use}
			if ext := strings.ToLower(path.Ext(name)); ext == ".html" || ext == ".htm" {
				l.name = "" // pages keep their names
			}
			return
		}
	}
	if strings.HasSuffix(u.Path, "/") || path.Ext(u.Path) == "" && !l.must {
		return // a page, or something that a program answers
	}
	d := s.diagnostic(p, r, l)
	d.Text = fmt.Sprintf("There is no file %q", clipURL(text))
	if l.must {
		s.errors = append(s.errors, d)
	} else {
		d.Text += ": the URL stays as it is"
		s.warnings = append(s.warnings, d)
	}
}

// diagnostic is one about a link, with its place.
func (s *site) diagnostic(p *page, r *ref, l *link) builder.Diagnostic {
	start := r.start
	if i := strings.Index(string(p.src[r.start:r.end]), r.text[l.start:l.end]); i >= 0 {
		start += i
	}
	from := strings.LastIndexByte(string(p.src[:start]), '\n') + 1
	line := string(p.src[from:])
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	return builder.Diagnostic{
		Source: "devserve", File: p.name, Line: strings.Count(string(p.src[:start]), "\n") + 1,
		Column: units(string(p.src[from:start])) + 1, Length: units(strings.TrimSpace(r.text[l.start:l.end])),
		LineText: strings.ToValidUTF8(line, "\uFFFD"),
	}
}

// units counts UTF-16 code units.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

// findPublic lists the files of the public folder that devserve would serve.
func (s *site) findPublic() error {
	root, err := os.OpenRoot(filepath.Join(s.dir, publicDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	defer root.Close()
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if private.Name(name) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := root.Stat(filepath.FromSlash(name)); err == nil && info.Mode().IsRegular() {
			s.public = append(s.public, name)
		} else if !e.IsDir() {
			s.warnings = append(s.warnings, builder.Diagnostic{Source: "devserve", File: publicDir + "/" + name, Text: "This is no file inside of the public folder, and not copied"})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	return nil
}
