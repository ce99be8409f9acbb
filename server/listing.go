package server

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/devserve/devserve/internal/private"
)

//go:embed page.html
var pageHTML string

// pages are the few that devserve shows of its own.
var pages = template.Must(template.New("").Parse(pageHTML))

// maxListed keeps the listing of a folder with a hundred thousand files readable.
const maxListed = 5000

type listing struct {
	Title   string
	Up      bool // there is a folder above, within the site
	Entries []entry
	More    int // left out
}

type entry struct {
	Name string
	Href string
	Dir  bool
	Size string
}

// list answers with what is in a folder of the site: folders first, by name, without
// what could not be opened anyway.
func (f files) list(w http.ResponseWriter, r *http.Request, e file) *refusal {
	h, _, refused := f.open(e)
	if refused != nil {
		return refused
	}
	defer h.Close()
	found, err := h.ReadDir(-1)
	if err != nil {
		return errReading
	}

	l := listing{Title: r.URL.Path, Up: e.name != "."}
	for _, d := range found {
		if en, ok := f.entry(e.name, d); ok {
			l.Entries = append(l.Entries, en)
		}
	}
	slices.SortFunc(l.Entries, func(a, b entry) int {
		if a.Dir != b.Dir {
			if a.Dir {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	if more := len(l.Entries) - maxListed; more > 0 {
		l.Entries, l.More = l.Entries[:maxListed], more
	}
	w.Header().Set("Devserve-Page", r.URL.Path)
	render(w, http.StatusOK, "listing", l)
	return nil
}

// entry describes one member of a folder, unless it is one that is never served.
func (f files) entry(dir string, d fs.DirEntry) (entry, bool) {
	name := d.Name()
	if private.Name(name) || !utf8.ValidString(name) {
		return entry{}, false
	}
	info, err := d.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		target, refused := f.stat(path.Join(dir, name))
		if refused != nil {
			return entry{}, false
		}
		info = target.info
	}
	if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
		return entry{}, false
	}
	en := entry{Name: name, Href: "./" + url.PathEscape(name), Dir: info.IsDir(), Size: size(info.Size())}
	if en.Dir {
		en.Href += "/"
	}
	return en, true
}

// size is a number of bytes for people.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	x, unit := float64(n)/1000, "kB"
	for _, next := range [...]string{"MB", "GB", "TB"} {
		if x < 999.95 {
			break
		}
		x, unit = x/1000, next
	}
	return fmt.Sprintf("%.1f %s", x, unit)
}

// fail answers with a status and a reason: a page when a person will look at it, else a line of text.
func fail(w http.ResponseWriter, r *http.Request, refused *refusal) {
	h := w.Header()
	h.Del("ETag")
	h.Del("Devserve-Page")
	if refused == errMethod {
		h.Set("Allow", "GET, HEAD")
	}
	title := fmt.Sprintf("%d %s", refused.status, http.StatusText(refused.status))
	if looksAt(r) {
		h.Set("Devserve-Page", r.URL.Path) // so that it loads again when the file comes
		render(w, refused.status, "error", map[string]string{"Title": title, "Path": r.URL.Path, "Text": strings.ToUpper(refused.text[:1]) + refused.text[1:]})
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(refused.status)
	fmt.Fprintf(w, "%s: %s\n", title, refused.text)
}

func render(w http.ResponseWriter, status int, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		panic(err) // the templates are constant and their data plain
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	w.Write(page.Bytes()) // an error means that the reader is gone
}
