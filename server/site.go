package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/devserve/devserve/builder"
	"github.com/devserve/devserve/internal/wrap"
)

// handler is the way of a request, see the package comment. next is nil when the site is all there is.
func (s *Server) handler(next http.Handler) http.Handler {
	if next != nil {
		next = s.copies.record(next)
	}
	site := s.hub.Inject(s.rescue(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.site(w, r, next)
	})))
	return s.hub.Guard(s.rescue(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, inside := strings.CutPrefix(r.URL.Path, s.base)
		switch {
		case !inside:
			site.ServeHTTP(w, r)
		case strings.HasPrefix(name, "_devserve/build/"):
			wrap.Unread(w, r)
			s.resource(w, r)
		case strings.HasPrefix(name, "_devserve/copy/"):
			wrap.Unread(w, r)
			s.copies.serve(w, r, strings.TrimPrefix(name, "_devserve/copy/"))
		case name == "_devserve/upstream":
			wrap.Unread(w, r)
			s.answers(w, r)
		case name == "_devserve", strings.HasPrefix(name, "_devserve/"), name == "__webpack_hmr":
			s.hub.ServeHTTP(w, r)
		default:
			site.ServeHTTP(w, r)
		}
	})))
}

// site answers a request that is not for an endpoint of our own, or hands it to next.
func (s *Server) site(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if navigates(r) {
		s.state.loaded(r.URL.Path)
	}
	s.commands.await(r.Context())
	if u := s.upstream(r.URL.Path); u != nil {
		s.copies.record(u).ServeHTTP(w, r)
		return
	}
	if next == nil {
		wrap.Unread(w, r)
	}
	refused := s.file(w, r, next == nil)
	switch {
	case refused == nil:
	case next == nil, refused.status == http.StatusForbidden, refused.status >= 500:
		fail(w, r, refused)
	case refused == errNotFound && wantsModule(r):
		seen := &statusWriter{Writer: wrap.Writer{ResponseWriter: w}}
		next.ServeHTTP(seen, r)
		if seen.status == http.StatusNotFound {
			s.missing(r, strings.TrimPrefix(r.URL.Path, s.base))
		}
	default:
		next.ServeHTTP(w, r)
	}
}

// statusWriter sees the status of an answer.
type statusWriter struct {
	wrap.Writer
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// ReadFrom lets the server use sendfile.
func (w *statusWriter) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, src)
}

var (
	errMethod  = &refusal{http.StatusMethodNotAllowed, "files are read by GET and HEAD"}
	errOffBase = &refusal{http.StatusNotFound, "the site lies under its base"}
)

// file answers with what the site has under the URL of r, or writes nothing and returns why not. Where
// the site is alone it also guesses what a person may mean: about.html by /about, the nearest index page
// for an application's own routes, the listing of a folder.
func (s *Server) file(w http.ResponseWriter, r *http.Request, alone bool) *refusal {
	name, slash, ok, refused := locate(w, r, s.base)
	if !ok {
		return refused
	}
	e, refused := s.files.find(name)
	switch {
	case refused == nil && !e.info.IsDir() && !slash:
		return s.found(w, r, e)
	case refused == nil && e.info.IsDir():
		return s.folder(w, r, e, name, slash, alone)
	case refused != nil && refused != errNotFound:
		return refused
	}

	if !alone {
		return errNotFound
	}
	if e, ok := s.files.regular(name + ".html"); ok && !slash {
		return s.files.serve(w, r, e)
	}
	if wantsModule(r) {
		s.missing(r, name)
		return errNotFound
	}
	if navigates(r) {
		if e, ok := s.files.fallback(name); ok {
			return s.files.serve(w, r, e)
		}
	}
	return errNotFound
}

// locate returns the name, relative to the site at base, of what r asks for, and whether that must be a folder. If ok is false
// r has been answered, or is refused.
func locate(w http.ResponseWriter, r *http.Request, base string) (name string, slash, ok bool, refused *refusal) {
	if what := badPath(r.URL); what != "" {
		return "", false, false, &refusal{http.StatusBadRequest, what}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "", false, false, errMethod
	}
	name, inside := strings.CutPrefix(r.URL.Path, base)
	if !inside {
		if r.URL.Path+"/" == base {
			return "", false, false, redirect(w, r)
		}
		return "", false, false, errOffBase
	}
	name, slash = strings.CutSuffix(name, "/")
	return name, slash || name == "", true, nil // "" is the site's own root
}

// found answers with a file that is there: compiled if that is what it is wanted for.
func (s *Server) found(w http.ResponseWriter, r *http.Request, e file) *refusal {
	switch ext := strings.ToLower(path.Ext(e.name)); {
	case ext != ".css" && !isScript(ext):
		return s.files.serve(w, r, e)
	case e.isPublic():
		return s.files.serve(w, r, e)
	}
	w.Header().Set("Vary", "Sec-Fetch-Dest, Sec-Fetch-Mode") // see useOf
	var build func(context.Context, string) (builder.Output, error)
	switch useOf(r, e.name) {
	case raw:
		return s.files.serve(w, r, e)
	case script:
		build = s.builder.Script
	case worker:
		build = s.builder.Worker
	case style:
		build = s.builder.Style
	}
	out, err := build(r.Context(), e.name)
	if errors.Is(err, builder.ErrNotFound) && wantsModule(r) { // gone since it was found
		s.missing(r, e.name)
	}
	return s.output(w, r, out, err)
}

// folder answers for a folder: its index page, else its listing. A folder has its slash in
// the URL, so that relative links on its page lead where they should.
func (s *Server) folder(w http.ResponseWriter, r *http.Request, e file, name string, slash, alone bool) *refusal {
	index, ok := s.files.index(name)
	switch {
	case ok && slash:
		return s.files.serve(w, r, index)
	case ok:
		return redirect(w, r)
	case !alone:
		return errNotFound
	case slash:
		s.state.list(r.URL.Path)
		return s.files.list(w, r, e)
	}
	if page, ok := s.files.regular(name + ".html"); ok {
		return s.files.serve(w, r, page)
	}
	// An application's route may have the name of a folder of sources. Routes are written
	// without a slash, and our listings link to folders with one.
	if navigates(r) {
		if page, ok := s.files.fallback(name); ok {
			return s.files.serve(w, r, page)
		}
	}
	return redirect(w, r)
}

// redirect adds a slash to the path. The location is relative: "//host/" stays a path.
func redirect(w http.ResponseWriter, r *http.Request) *refusal {
	to := "./" + path.Base(r.URL.EscapedPath()) + "/"
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", to)
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusFound) // not 301: browsers would keep it beyond the session
	return nil
}

// resource answers for what bundles refer to: source maps, lazy modules, assets from outside the site.
func (s *Server) resource(w http.ResponseWriter, r *http.Request) {
	refused := errMethod
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		rest := strings.TrimPrefix(r.URL.EscapedPath(), s.base+"_devserve/build/")
		out, err := s.builder.Resource(r.Context(), rest, r.URL.Query())
		refused = s.output(w, r, out, err)
	}
	if refused != nil {
		fail(w, r, refused)
	}
}

func (s *Server) output(w http.ResponseWriter, r *http.Request, out builder.Output, err error) *refusal {
	switch {
	case errors.Is(err, builder.ErrNotFound):
		return errNotFound
	case err != nil && r.Context().Err() != nil, errors.Is(err, builder.ErrClosed):
		return errGone
	case err != nil:
		s.log.Error("build cannot go on", "url", r.URL.Path, "err", err)
		return errBuild
	}
	h := w.Header()
	h.Set("Content-Type", out.ContentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", out.ETag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(out.Body))
	return nil
}

var (
	errGone  = &refusal{499, "the client went away"} // nobody reads this
	errBuild = &refusal{http.StatusInternalServerError, "devserve could not build this; its log says why"}
)

// missing tells pages and terminal of a module that a page asked for and that is not there.
func (s *Server) missing(r *http.Request, name string) {
	a := s.files.absence(name, referrer(r))
	if s.state.missed(a) && s.o.OnBuild != nil {
		s.o.OnBuild(Build{Did: "error", Clients: s.hub.Clients(), Errors: []Diagnostic{a.Diagnostic}})
	}
}

// referrer returns the URL path of the page or module of ours that asks for r, or "".
func referrer(r *http.Request) string {
	if u, err := url.Parse(r.Referer()); err == nil && u.Host == r.Host {
		return u.Path
	}
	return ""
}
