package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/internal/private"
	"github.com/devserve/devserve/internal/wrap"
	"github.com/devserve/devserve/production"
	"github.com/devserve/devserve/reload"
)

// With Options.Production a Server serves what devserve build made, and nothing else: no file is watched or compiled, no
// page gets the client, and there are no endpoints of ours. What the program calls for development does nothing. Hosts are not
// checked: the site is for everybody.

// built is the output of a build, as pages see it.
type built struct {
	*production.Output
	base  string
	facts sync.Map // of files, by name: fact
}

// A fact is what a file's header says of it.
type fact struct {
	size     int64
	modified time.Time
	etag     string
	typ      string
}

// newProduction is New for a site that is built.
func newProduction(o Options) (*Server, error) {
	if o.Backend != "" || len(o.Proxy) > 0 {
		return nil, errors.New("server: Production goes with neither Backend nor Proxy, which stand in for what answers beside the site while it is written: " +
			"in production that is the next of Middleware, or the host")
	}
	if o.Base == "" {
		o.Base = "/"
	}
	out, err := production.Open(o.Production)
	if err != nil {
		return nil, fmt.Errorf("server: Production: %w", err)
	}
	if out.Base != o.Base {
		return nil, fmt.Errorf("server: Production was built for the base %q and Base is %q: run devserve build --base %s", out.Base, o.Base, o.Base)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		o:     o,
		base:  o.Base,
		log:   o.Log.With("pkg", "server"),
		state: state{base: o.Base},
		built: &built{Output: out, base: o.Base},
	}
	if s.hub, err = reload.New(reload.Options{Base: o.Base}); err != nil { // what is published has no page to go to
		return nil, err
	}
	s.state.publish = func(e reload.Event) { s.hub.Publish(e) }
	s.end = sync.OnceValue(s.hub.Close)
	s.handle = s.built.handler(nil)
	return s, nil
}

// always is closed: a built site is ready as soon as it is there.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// handler serves the files, and leaves the rest to next or answers it as a host of static files would.
func (b *built) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if next == nil {
			wrap.Unread(w, r)
		}
		refused := b.file(w, r, next == nil)
		switch {
		case refused == nil:
		case next != nil && refused.status < http.StatusInternalServerError:
			next.ServeHTTP(w, r)
		default:
			if refused == errMethod {
				w.Header().Set("Allow", "GET, HEAD")
			}
			http.Error(w, http.StatusText(refused.status), refused.status)
		}
	})
}

// file is Server.file for a built site: the same URLs are answered, with the same pages.
func (b *built) file(w http.ResponseWriter, r *http.Request, alone bool) *refusal {
	name, slash, ok, refused := locate(w, r, b.base)
	if !ok {
		return refused
	}
	index := path.Join(name, "index.html")
	switch {
	case b.is(name) && !slash:
		return b.serve(w, r, name)
	case b.is(index) && slash:
		return b.serve(w, r, index)
	case b.is(index):
		return redirect(w, r)
	case !alone:
		return errNotFound
	case b.is(name+".html") && !slash:
		return b.serve(w, r, name+".html")
	case navigates(r):
		for dir := name; ; {
			dir = dir[:max(0, strings.LastIndexByte(dir, '/'))]
			if index := path.Join(dir, "index.html"); b.is(index) {
				return b.serve(w, r, index)
			}
			if dir == "" {
				return errNotFound
			}
		}
	}
	return errNotFound
}

// is reports whether there is a file of that name for pages.
func (b *built) is(name string) bool {
	if !fs.ValidPath(name) || private.Name(name) {
		return false
	}
	info, err := fs.Stat(b.Files, name)
	return err == nil && info.Mode().IsRegular()
}

func (b *built) serve(w http.ResponseWriter, r *http.Request, name string) *refusal {
	f, err := b.Files.Open(name)
	if err != nil {
		return refuse(err)
	}
	defer f.Close()
	content, ok := f.(io.ReadSeeker)
	if !ok {
		data, err := io.ReadAll(f)
		if err != nil {
			return errReading
		}
		content = bytes.NewReader(data)
	}
	known, err := b.fact(name, f, content)
	if err != nil {
		return errReading
	}
	h := w.Header()
	h.Set("Content-Type", known.typ)
	h.Set("ETag", known.etag)
	h.Set("X-Content-Type-Options", "nosniff")
	if b.Immutable(name) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache") // asked for again, and mostly answered by 304
	}
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

// fact reads a file for its header, once, and again when it has become another.
func (b *built) fact(name string, f fs.File, content io.ReadSeeker) (fact, error) {
	info, err := f.Stat()
	if err != nil {
		return fact{}, err
	}
	if v, ok := b.facts.Load(name); ok {
		if known := v.(fact); known.size == info.Size() && known.modified.Equal(info.ModTime()) {
			return known, nil
		}
	}
	sum := sha256.New()
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(io.TeeReader(content, sum), head)
	if err == nil {
		_, err = io.Copy(sum, content)
	} else if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	if err == nil {
		_, err = content.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fact{}, err
	}
	known := fact{
		size: info.Size(), modified: info.ModTime(),
		etag: `"` + base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:15]) + `"`,
		typ:  contentType(name, head[:n], n < len(head)),
	}
	b.facts.Store(name, known)
	return known, nil
}
