package reload

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/devserve/devserve/internal/leaktest"
	"github.com/klauspost/compress/zstd"
)

// An encoder is what handlers and middlewares compress with.
type encoder interface {
	io.WriteCloser
	Flush() error
}

var encoders = map[string]func(io.Writer) encoder{
	"gzip": func(w io.Writer) encoder { return gzip.NewWriter(w) },
	"br":   func(w io.Writer) encoder { return brotli.NewWriter(w) },
	"zstd": func(w io.Writer) encoder {
		e, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
		if err != nil {
			panic(err)
		}
		return e
	},
}

func encoded(coding, body string) []byte {
	var b bytes.Buffer
	e := encoders[coding](&b)
	io.WriteString(e, body)
	e.Close()
	return b.Bytes()
}

// A handler that compresses whatever it is asked for, by an encoder around its writer.
func compressing(coding string, write func(w io.Writer, flush func())) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Encoding", coding)
		w.Header().Set("ETag", `"v1"`)
		e := encoders[coding](w)
		write(e, func() {
			e.Flush()
			http.NewResponseController(w).Flush()
		})
		e.Close()
	}
}

func TestInjectDecodes(t *testing.T) {
	page := "<!doctype html><html><head>@<title>x</title></head><body>" + strings.Repeat("<p>Lorem ipsum dolor sit amet</p>\n", 5000)
	input, want := strings.Replace(page, "@", "", 1), strings.Replace(page, "@", tag, 1)
	for coding := range encoders {
		h := newHub(t, Options{})
		srv := serve(t, h.Inject(compressing(coding, func(w io.Writer, flush func()) {
			for piece := range bytesIn(input, 1000) {
				io.WriteString(w, piece)
			}
		})))
		for _, headers := range [][]string{{"Sec-Fetch-Dest: document", "Accept-Encoding: " + coding}, {"Accept-Encoding: " + coding}} {
			res, body := askFor(t, "GET", srv.URL, headers...)
			if body != want || res.Header.Get("Content-Encoding") != "" || res.Header.Get("ETag") != `W/"v1+boot-0"` {
				t.Errorf("%s: %v, %d bytes: %.100q", coding, res.Header, len(body), body)
			}
		}
		res, body := askFor(t, "GET", srv.URL, "Sec-Fetch-Dest: empty", "Accept-Encoding: "+coding)
		if body != string(encoded(coding, input)) && coding != "zstd" || res.Header.Get("Content-Encoding") != coding || res.Header.Get("ETag") != `"v1"` {
			t.Errorf("%s, for a script: %v, %d bytes", coding, res.Header, len(body))
		}
		res, _ = askFor(t, "HEAD", srv.URL, "Sec-Fetch-Dest: document", "Accept-Encoding: "+coding)
		if res.StatusCode != 200 || res.Header.Get("Content-Encoding") != "" || res.Header.Get("ETag") != `W/"v1+boot-0"` {
			t.Errorf("%s: HEAD: %v", coding, res.Header)
		}
	}
}

func TestInjectDecodesAllForms(t *testing.T) {
	const page = "<!doctype html><title>x</title>"
	gz, zst := encoded("gzip", page), encoded("zstd", page)
	var long strings.Builder // its gzip too
	for i := range 20_000 {
		fmt.Fprintf(&long, "<p>%x</p>", i*i)
	}
	header := func(code int, lines ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for _, line := range lines {
				name, value, _ := strings.Cut(line, ": ")
				w.Header().Add(name, value)
			}
			w.WriteHeader(code)
		}
	}
	for _, test := range []struct {
		name   string
		header func(http.ResponseWriter)
		body   []byte
		want   string
	}{
		{"with its length", header(200, "Content-Encoding: gzip", fmt.Sprint("Content-Length: ", len(gz))), gz, "<!doctype html>" + tag + "<title>x</title>"},
		{"old name, upper case", header(200, "Content-Encoding: X-GZIP"), gz, "<!doctype html>" + tag + "<title>x</title>"},
		{"not found", header(404, "Content-Encoding: gzip"), gz, "<!doctype html>" + tag + "<title>x</title>"},
		{"two members", header(200, "Content-Encoding: gzip"), append(bytes.Clone(gz), gz...), "<!doctype html>" + tag + "<title>x</title>" + page},
		{"two frames", header(200, "Content-Encoding: zstd"), append(bytes.Clone(zst), zst...), "<!doctype html>" + tag + "<title>x</title>" + page},
		{"a script appended in plain", header(200, "Content-Encoding: gzip"), append(bytes.Clone(gz), "<script>x</script>"...), "<!doctype html>" + tag + "<title>x</title>"},
		{"long", header(200, "Content-Encoding: gzip"), encoded("gzip", page+long.String()), "<!doctype html>" + tag + "<title>x</title>" + long.String()},
		{"no page", header(200, "Content-Encoding: gzip", `ETag: "v1"`), encoded("gzip", "<p>x"), "<p>x"},
		{"UTF-16", header(200, "Content-Encoding: gzip"), encoded("gzip", "\xff\xfe<\x00h\x00"), "\xff\xfe<\x00h\x00"},
		{"nothing", header(200, "Content-Encoding: gzip"), nil, ""},
		{"nothing, compressed", header(200, "Content-Encoding: gzip"), encoded("gzip", ""), ""},
		{"two codings", header(200, "Content-Encoding: gzip", "Content-Encoding: br"), gz, string(gz)},
		{"no HTML", header(200, "Content-Type: text/css", "Content-Encoding: gzip"), gz, string(gz)},
		{"a part", header(206, "Content-Encoding: gzip"), gz[:10], string(gz[:10])},
	} {
		h := newHub(t, Options{})
		srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if test.name != "no HTML" {
				w.Header().Set("Content-Type", "text/html")
			}
			test.header(w)
			if n, err := io.Copy(w, struct{ io.Reader }{bytes.NewReader(test.body)}); n != int64(len(test.body)) || err != nil {
				t.Errorf("%s: wrote %d: %v", test.name, n, err)
			}
		})))
		res, got := askFor(t, "GET", srv.URL, "Accept-Encoding: x")
		if got != test.want {
			t.Errorf("%s:\n got %.200q\nwant %.200q", test.name, got, test.want)
		}
		if tag := res.Header.Get("ETag"); tag != "" && tag != `W/"v1"` {
			t.Errorf("%s: the tag of other bytes, %s", test.name, tag)
		}
	}
}

// What is flushed arrives, though it comes through a decoder; nothing waits for the next piece.
func TestInjectDecodesStreams(t *testing.T) {
	for coding := range encoders {
		h := newHub(t, Options{})
		steps := make(chan string)
		srv := serve(t, h.Inject(compressing(coding, func(w io.Writer, flush func()) {
			for s := range steps {
				io.WriteString(w, s)
				flush()
			}
		})))
		go func() { steps <- "<!doctype html>" }()
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range []struct{ write, arrives string }{
			{"", "<!doctype html>"},
			{"<head>", "<head>"},
			{"<title>x</title>", tag + "<title>x</title>"},
			{"<p>1", "<p>1"},
			{strings.Repeat("<p>2", 50_000), strings.Repeat("<p>2", 50_000)},
			{"<p>3", "<p>3"},
		} {
			if i > 0 {
				steps <- step.write
			}
			got := make([]byte, len(step.arrives))
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != step.arrives {
				t.Fatalf("%s: after %.20q: got %.100q: %v", coding, step.write, got, err)
			}
		}
		close(steps)
		if rest := bodyOf(t, res); rest != "" {
			t.Errorf("%s: rest: %q", coding, rest)
		}
	}
}

// Wherever a body is cut off: the answer is cut off too, and does not look whole.
func TestInjectDecodesCutBodies(t *testing.T) {
	page := "<!doctype html><title>x</title>" + strings.Repeat("<p>Lorem ipsum</p>\n", 20)
	for coding := range encoders {
		whole := encoded(coding, page)
		for cut := 1; cut < len(whole); cut++ {
			for name, write := range map[string]func(w http.ResponseWriter){
				"whole":   func(w http.ResponseWriter) { w.Write(whole[:cut]) },
				"flushed": func(w http.ResponseWriter) { w.Write(whole[:cut]); w.(http.Flusher).Flush() },
				"copied":  func(w http.ResponseWriter) { io.Copy(w, struct{ io.Reader }{bytes.NewReader(whole[:cut])}) },
			} {
				var log strings.Builder
				h := newHub(t, Options{Log: logTo(&log)})
				rec := httptest.NewRecorder()
				aborted := aborts(func() {
					h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", "text/html")
						w.Header().Set("Content-Encoding", coding)
						write(w)
					})).ServeHTTP(rec, request("GET", "/page", "Sec-Fetch-Dest: document"))
				})
				if !aborted || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "url=/page") {
					t.Errorf("%s, cut at %d of %d, %s: looks whole: %q\n%s", coding, cut, len(whole), name, rec.Body, log.String())
				}
				if got := strings.Replace(rec.Body.String(), tag, "", 1); !strings.HasPrefix(page, got) {
					t.Errorf("%s, cut at %d: got %q", coding, cut, got)
				}
			}
		}
	}
}

// aborts reports whether f ends as a handler does whose answer is to be cut off.
func aborts(f func()) (aborted bool) {
	defer func() {
		if r := recover(); r != nil {
			aborted = r == http.ErrAbortHandler
			if !aborted {
				panic(r)
			}
		}
	}()
	f()
	return false
}

func TestInjectDecodesNoNonsense(t *testing.T) {
	var wide bytes.Buffer
	e, err := zstd.NewWriter(&wide, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	e.Write(bytes.Repeat([]byte("x"), 1<<20))
	e.Close()
	gz := encoded("gzip", "<!doctype html><title>x")
	wrongSum := bytes.Clone(gz)
	wrongSum[len(wrongSum)-8] ^= 1
	for name, test := range map[string]struct {
		coding string
		body   []byte
	}{
		"plain":           {"gzip", []byte("<!doctype html><title>x")},
		"another coding":  {"br", gz},
		"plain zstd":      {"zstd", []byte("<!doctype html><title>x")},
		"a wrong sum":     {"gzip", wrongSum},
		"too wide a view": {"zstd", wide.Bytes()},
	} {
		h := newHub(t, Options{})
		srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", test.coding)
			w.Write(test.body)
			if n, err := w.Write([]byte("x")); n != 0 || err == nil {
				t.Errorf("%s: wrote %d: %v", name, n, err)
			}
		})))
		res, err := http.Get(srv.URL)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer looks whole", name)
		}
	}
}

// An upstream that breaks off within its gzip, behind a proxy.
func TestInjectProxyOfCutBody(t *testing.T) {
	gz := encoded("gzip", "<!doctype html><title>x</title>"+strings.Repeat("<p>Lorem ipsum</p>\n", 20))
	upstream := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(gz[:len(gz)/2])
		w.(http.Flusher).Flush()
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	}))
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(t, Options{})
	srv := serve(t, h.Inject(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		ErrorLog:  log.New(io.Discard, "", 0),
	}))
	for _, path := range []string{"/", "/panic"} {
		res, err := http.Get(srv.URL + path)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer looks whole", path)
		}
	}
}

// A browser that has gone is no broken body, and a panic is the handler's own.
func TestInjectDecodingEnds(t *testing.T) {
	gz := encoded("gzip", "<!doctype html><p>x")
	var log strings.Builder
	h := newHub(t, Options{Log: logTo(&log)})
	handler := func(after func(http.ResponseWriter)) http.Handler {
		return h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gz[:len(gz)-3])
			after(w)
		}))
	}
	gone := &failing{httptest.NewRecorder()}
	if !aborts(func() {
		handler(func(w http.ResponseWriter) { w.Write(gz[len(gz)-3:]) }).ServeHTTP(gone, request("GET", "/"))
	}) {
		t.Error("the answer to who has gone was not ended")
	}
	if strings.Contains(log.String(), "WARN") {
		t.Errorf("got %s", log.String())
	}
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("panic with %v", r)
			}
		}()
		handler(func(http.ResponseWriter) { panic("mine") }).ServeHTTP(httptest.NewRecorder(), request("GET", "/"))
	}()
}

// A connection can be taken over in the middle of an encoded body; nothing is left running.
func TestInjectDecodingHijacked(t *testing.T) {
	leaktest.Check(t)
	h := newHub(t, Options{})
	srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(encoded("gzip", "<!doctype html><p>x")[:20])
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		conn.Close()
	})))
	if res, err := http.Get(srv.URL); err != nil || res.StatusCode != 204 {
		t.Errorf("got %v, %v", res, err)
	}
}

// failing is a writer whose reader has gone.
type failing struct{ *httptest.ResponseRecorder }

func (failing) Write([]byte) (int, error) { return 0, errors.New("gone") }

// Under a middleware that has said gzip before it called us, the body is plain.
func TestInjectBelowAnEncoder(t *testing.T) {
	h := newHub(t, Options{})
	for name, next := range map[string]http.Handler{
		"plain":   htmlOf("<head><title>x"),
		"encoded": compressing("br", func(w io.Writer, flush func()) { io.WriteString(w, "<head><title>x") }),
	} {
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			gz := gzip.NewWriter(w)
			defer gz.Close()
			h.Inject(next).ServeHTTP(through{w, gz}, r)
		}))
		res, err := http.Get(srv.URL) // which decodes
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, res); got != "<head>"+tag+"<title>x" || !res.Uncompressed {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// through is the writer of a middleware that encodes.
type through struct {
	http.ResponseWriter
	e encoder
}

func (w through) Write(b []byte) (int, error) { return w.e.Write(b) }

// FuzzDecoding: whatever the body, it is decoded as by its decoder alone, in whatever pieces it comes.
func FuzzDecoding(f *testing.F) {
	for coding := range encoders {
		whole := encoded(coding, "<!doctype html><title>x</title>")
		f.Add(whole, uint64(0x9249))
		f.Add(append(whole, whole...), uint64(0))
		f.Add(whole[:len(whole)-1], uint64(1))
		f.Add([]byte(nil), uint64(0))
	}
	f.Fuzz(func(t *testing.T, body []byte, cuts uint64) {
		for _, coding := range []string{"gzip", "br", "zstd"} {
			decode := func(pieces ...[]byte) (string, bool) {
				var out limited
				d := newDecoding(codings[coding], &out)
				defer d.stop()
				for _, p := range pieces {
					d.Write(p)
				}
				err := d.end()
				return out.String(), err == nil
			}
			var pieces [][]byte
			for i, rest := 0, body; len(rest) > 0; i++ {
				n := min(len(rest), 1+int(cuts>>(i*3%63)&7))
				pieces = append(pieces, rest[:n])
				rest = rest[n:]
			}
			whole, ok := decode(body)
			if got, gotOK := decode(pieces...); ok && got != whole || gotOK != ok {
				t.Errorf("%s: in pieces %.100q, %v; whole %.100q, %v", coding, got, gotOK, whole, ok)
			}
			if !ok || len(body) == 0 {
				continue
			}
			r, err := codings[coding](bytes.NewReader(body))
			if err != nil {
				t.Fatalf("%s: %v", coding, err)
			}
			if want, err := io.ReadAll(r); string(want) != whole || err != nil && err != gzip.ErrHeader {
				t.Errorf("%s: got %.100q, want %.100q, %v", coding, whole, want, err)
			}
		}
	})
}

const tooMuch = 1 << 20

// limited refuses what a small body can become.
type limited struct{ strings.Builder }

func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > tooMuch {
		return 0, io.ErrShortWrite
	}
	return l.Builder.Write(b)
}

// Gigabytes, plain or not, need no more memory than a page.
func TestInjectConstantMemory(t *testing.T) {
	const piece = 1 << 20
	filler := []byte(strings.Repeat("<p>Lorem ipsum dolor sit amet</p>\n", piece/34))
	for name, test := range map[string]struct {
		coding, begins string
		pieces         int
	}{
		"plain, 2 GB":       {"", "<!doctype html><title>x</title>", 2 << 10},
		"no place":          {"", "<!-- ", 2 << 10},
		"gzip, decoded":     {"gzip", "<!doctype html><title>x</title>", 16},
		"zstd, decoded":     {"zstd", "<!doctype html><title>x</title>", 16},
		"gzip, no document": {"gzip", "<tr>", 16},
	} {
		body := append([]byte(test.begins), filler...)
		next := func(w http.ResponseWriter) {
			for range test.pieces {
				w.Write(body)
				body = filler
			}
		}
		if test.coding != "" { // an encoder would use memory as well: the same member again and again
			first, more := encoded(test.coding, string(body)), encoded(test.coding, string(filler))
			next = func(w http.ResponseWriter) {
				w.Write(first)
				for range test.pieces - 1 {
					w.Write(more)
				}
			}
		}
		h := newHub(t, Options{})
		w := &counting{header: http.Header{}}
		handler := h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if test.coding != "" {
				w.Header().Set("Content-Encoding", test.coding)
			}
			next(w)
		}))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		handler.ServeHTTP(w, request("GET", "/"))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 || w.n < int64(test.pieces)*int64(len(filler)) {
			t.Errorf("%s: %d bytes arrived, %d were allocated", name, w.n, used)
		}
	}
}

type counting struct {
	header http.Header
	n      int64
}

func (w *counting) Header() http.Header         { return w.header }
func (w *counting) WriteHeader(int)             {}
func (w *counting) Write(b []byte) (int, error) { w.n += int64(len(b)); return len(b), nil }
