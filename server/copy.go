package server

import (
	"bufio"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/internal/wrap"
)

const (
	// A page that is longer than maxCopy is loaded anew where another would be morphed.
	maxCopy = 4 << 20

	// maxCopies bounds all copies together, in bytes: some hundred pages as they are usual.
	maxCopies = 16 << 20
)

// copies are the pages that a program has lately answered with, byte for byte. When a template changes, the page asks for
// its own: only what differs between that and a new rendering may be changed in a document that scripts
// and its reader have changed too. The browser keeps no such thing, and rendering twice on
// every load would have effects of its own.
type copies struct {
	mu    sync.Mutex
	pages map[string]*page
	order []string // keys, oldest first
	size  int      // of all bodies
}

type page struct {
	header http.Header // of it, what is needed to read the body
	body   []byte
}

// record wraps next so that copies of its pages are kept. The response header Devserve-Copy has the key.
func (c *copies) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !showsPage(r) {
			next.ServeHTTP(w, r)
			return
		}
		rec := &recorder{Writer: wrap.Writer{ResponseWriter: w}, key: rand.Text()}
		next.ServeHTTP(rec, r)
		if rec.Header().Get("Content-Type") != "" {
			rec.begin() // an empty page is one
		}
		if rec.page != nil { // and next did not panic
			c.keep(rec.key, rec.page)
		}
	})
}

// showsPage reports whether a browser would show the answer to r as a page, or may, where it does not say.
func showsPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document", "iframe", "frame":
		return true
	case "":
		return strings.Contains(r.Header.Get("Accept"), "text/html")
	}
	return false
}

func (c *copies) keep(key string, p *page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages == nil {
		c.pages = map[string]*page{}
	}
	c.pages[key] = p
	c.order = append(c.order, key)
	for c.size += len(p.body); c.size > maxCopies; c.order = c.order[1:] {
		c.size -= len(c.pages[c.order[0]].body)
		delete(c.pages, c.order[0])
	}
}

// serve answers with the copy under key, whose policy is Devserve-Policy here.
func (c *copies) serve(w http.ResponseWriter, r *http.Request, key string) {
	c.mu.Lock()
	p := c.pages[key]
	c.mu.Unlock()
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		fail(w, r, errMethod)
		return
	case p == nil:
		fail(w, r, &refusal{http.StatusNotFound, "there is no copy of this page"})
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8") // it is compared, not shown
	for from, to := range map[string]string{"Content-Encoding": "Content-Encoding", "Content-Security-Policy": "Devserve-Policy"} {
		if v := p.header[from]; len(v) > 0 {
			h[to] = v
		}
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(p.body)))
}

// A recorder copies an answer that is a page.
type recorder struct {
	wrap.Writer
	key  string
	page *page // nil before WriteHeader, and where there is nothing to keep
	sent bool  // WriteHeader was called
}

// WriteHeader decides from the header whether there is a page to keep.
func (w *recorder) WriteHeader(code int) {
	h := w.Header()
	if !w.sent && (code >= 200 || code == http.StatusSwitchingProtocols) {
		w.sent = true
		types, typed := h["Content-Type"]
		if code >= 200 && code != http.StatusNoContent && (code < 300 || code >= 400) && (!typed || len(types) > 0 && strings.HasPrefix(strings.ToLower(types[0]), "text/html")) {
			w.page = &page{header: h.Clone()}
			h.Set("Devserve-Copy", w.key)
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *recorder) Write(b []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(b)
	switch {
	case w.page == nil:
	case err != nil, len(w.page.body)+n > maxCopy:
		w.page = nil
	default:
		w.page.body = append(w.page.body, b[:n]...)
	}
	return n, err
}

// WriteString is Write.
func (w *recorder) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// ReadFrom lets the server use sendfile for what is no page.
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	if _, typed := w.Header()["Content-Type"]; typed {
		w.begin()
	}
	if !w.sent || w.page != nil {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	return io.Copy(w.ResponseWriter, src)
}

// Hijack hands the connection over, which leaves no page to keep.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.sent, w.page = true, nil
	return w.Writer.Hijack()
}

func (w *recorder) begin() {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
}

// Flush is [http.Flusher]'s.
func (w *recorder) Flush() { w.FlushError() }

// FlushError is Flush, and says whether it worked.
func (w *recorder) FlushError() error {
	w.begin()
	return w.Writer.FlushError()
}
