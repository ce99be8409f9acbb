package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/devserve/devserve/client"
)

// A site is a server that can be made to fail in every way. It speaks the event stream that
// package reload speaks, and is told what to say.
type site struct {
	t    *testing.T
	base string
	addr string
	srv  *http.Server
	done chan struct{} // closed when srv has ended

	mu      sync.Mutex
	files   map[string]string
	hold    map[string]chan struct{} // requests for a path wait until it is closed
	torn    map[string]int           // so many answers for a path break off
	gets    map[string]int           // requests, by path
	answers map[string]int           // those of gets that are over
	nonce   string
	last    int
	kept    []frame // for replay
	streams map[chan frame]bool
	opened  []string // the lastEventId of each stream
	refuse  bool     // streams and status answer 503
	dead    bool     // streams get nothing any more, status does not answer
	onPage  func()   // runs after a page was served
}

type frame struct {
	n    int
	text string
}

func newSite(t *testing.T) *site { return newSiteAt(t, "/") }

func newSiteAt(t *testing.T, base string) *site {
	t.Helper()
	s := &site{
		t: t, base: base, nonce: "boot1", addr: "127.0.0.1:0",
		files: map[string]string{}, hold: map[string]chan struct{}{}, torn: map[string]int{}, gets: map[string]int{}, answers: map[string]int{}, streams: map[chan frame]bool{},
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start listens, at the same address as before if it was stopped.
func (s *site) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.srv = &http.Server{Handler: http.HandlerFunc(s.serve)}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		s.srv.Serve(l)
	}()
}

// stop ends the server and all its connections, as kill -9 does.
func (s *site) stop() {
	s.srv.Close()
	<-s.done
}

func (s *site) url(p string) string { return "http://" + s.addr + s.base + p }

// put sets a file. HTML gets the client's script tag in place of <client>.
func (s *site) put(p, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[p] = content
}

func (s *site) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idLocked()
}

func (s *site) idLocked() string { return s.nonce + "-" + strconv.Itoa(s.last) }

// publish sends an event with data, an object, to all streams.
func (s *site) publish(name, data string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	var line bytes.Buffer
	if json.Compact(&line, []byte(data)) != nil {
		line.WriteString(data) // broken on purpose
	}
	f := frame{s.last, fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", s.idLocked(), name, &line)}
	s.kept = append(s.kept, f)
	if s.dead {
		return
	}
	for c := range s.streams {
		c <- f
	}
}

// built publishes a good build with updates like `css /a.css`.
func (s *site) built(updates ...string) {
	s.t.Helper()
	list := []map[string]string{}
	for _, u := range updates {
		kind, p, _ := strings.Cut(u, " ")
		list = append(list, map[string]string{"type": kind, "path": p})
	}
	b, err := json.Marshal(map[string]any{"build": s.last + 1, "hash": "h", "ms": 1, "warnings": []int{}, "updates": list})
	if err != nil {
		s.t.Fatal(err)
	}
	s.publish("built", string(b))
}

// failed publishes a failed build with one error in src/app.ts.
func (s *site) failed(build int, text string) {
	s.t.Helper()
	b, err := json.Marshal(map[string]any{"build": build, "source": "esbuild", "warnings": []int{}, "errors": []any{map[string]any{
		"text": text, "file": "src/app.ts", "line": 12, "column": 5, "length": 3, "lineText": "let foo bar", "notes": []any{},
	}}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.publish("error", string(b))
}

// restart makes the site another process.
func (s *site) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce, s.last, s.kept = s.nonce+"x", 0, nil
}

// forget drops what is kept for replay.
func (s *site) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = nil
}

// drop ends all streams.
func (s *site) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.streams {
		delete(s.streams, c)
		close(c)
	}
}

func (s *site) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// streamed returns how many streams were opened.
func (s *site) streamed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.opened)
}

func (s *site) got(p string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets[p]
}

// wantAnswers waits until a path was answered n times, to the end.
func (s *site) wantAnswers(p string, n int) {
	s.t.Helper()
	answered := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.answers[p] >= n
	}
	if !eventually(answered) {
		s.t.Fatalf("%s was not answered %d times", p, n)
	}
}

func (s *site) wantStreams(n int) {
	s.t.Helper()
	if !eventually(func() bool { return s.streamed() >= n }) {
		s.t.Fatalf("%d streams were opened, want %d", s.streamed(), n)
	}
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	p, ok := strings.CutPrefix(r.URL.Path, s.base)
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	s.gets[r.URL.Path]++
	hold, refuse := s.hold[r.URL.Path], s.refuse
	torn := s.torn[r.URL.Path] > 0
	s.torn[r.URL.Path]--
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answers[r.URL.Path]++
	}()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	if torn {
		w.Header().Set("Content-Type", types[path.Ext(p)])
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "/* and so")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	switch p {
	case "_devserve/client.js":
		w.Header().Set("Content-Type", "text/javascript")
		w.Write([]byte(strings.NewReplacer("__DEVSERVE_TOKEN__", "secret", "__DEVSERVE_BASE__", s.base).Replace(string(client.Script()))))
	case "_devserve/status":
		s.mu.Lock()
		dead := s.dead
		s.mu.Unlock()
		if dead {
			<-r.Context().Done()
			return
		}
		if refuse {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"id":%q}`, s.id())
	case "_devserve/events":
		if refuse {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		s.stream(w, r)
	default:
		s.file(w, r)
	}
}

func (s *site) stream(w http.ResponseWriter, r *http.Request) {
	known := r.URL.Query().Get("lastEventId")
	c := make(chan frame, 64)
	s.mu.Lock()
	s.opened = append(s.opened, known)
	s.streams[c] = true
	n, err := strconv.Atoi(strings.TrimPrefix(known, s.nonce+"-"))
	var first []frame
	for _, f := range s.kept {
		if err == nil && f.n > n {
			first = append(first, f)
		}
	}
	if err != nil || len(first) != s.last-n {
		data, err := os.ReadFile("testdata/sync.json")
		if err != nil {
			s.t.Error(err)
		}
		first = []frame{{s.last, fmt.Sprintf("id: %s\nevent: built\ndata: %s\n\n", s.idLocked(), bytes.TrimSpace(data))}}
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.streams, c)
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 250\n\nevent: hello\ndata: {}\n\n")
	for _, f := range first {
		fmt.Fprint(w, f.text)
	}
	flush := http.NewResponseController(w)
	flush.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case f, open := <-c:
			if !open {
				return
			}
			fmt.Fprint(w, f.text)
			flush.Flush()
		}
	}
}

var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json",
}

func (s *site) file(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	content, ok := s.files[r.URL.Path]
	id, onPage := s.idLocked(), s.onPage
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	ext := path.Ext(r.URL.Path)
	if ext == "" {
		ext = ".html"
	}
	w.Header().Set("Content-Type", types[ext])
	if ext == ".html" {
		tag := fmt.Sprintf(`<script src="%s_devserve/client.js" data-id="%s" data-page="%s"></script>`, s.base, id, r.URL.Path)
		content = strings.ReplaceAll(content, "<client>", tag)
		if onPage != nil {
			defer onPage()
		}
	}
	fmt.Fprint(w, content)
}

// sample reads a message that package reload's tests read too.
func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
