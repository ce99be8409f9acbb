package frameworks

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/leaktest"
	"github.com/devserve/devserve/server"
	ginzip "github.com/gin-contrib/gzip"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"
	echomw "github.com/labstack/echo/v4/middleware"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultErrorWriter = io.Discard
	leaktest.Main(m)
}

// An app is what a program answers, in the words of its framework:
//
//	/page     a page of some kilobytes
//	/stream   a page that is flushed wherever steps has a piece
//	/hijack   the connection taken over
//	/trailer  a page, and a trailer after it
//	/file     a file by http.ServeContent
//	/panic    a page that breaks off
//
// and a page of its own for what is not there.
type app struct{ steps chan string }

const (
	page    = "<!doctype html><html><head><title>Page</title></head><body>"
	missing = "<!doctype html><title>Not here</title>"
)

var text = strings.Repeat("<p>Lorem ipsum dolor sit amet</p>\n", 200)

func (a *app) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, page+text)
}

func (a *app) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	for step := range a.steps {
		io.WriteString(w, step)
		w.(http.Flusher).Flush()
	}
}

func (a *app) hijack(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello")
	rw.Flush()
	conn.Close()
}

func (a *app) trailer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Sum")
	a.page(w, r)
	w.Header().Set("X-Sum", "1")
}

func (a *app) file(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "x.html", time.Time{}, strings.NewReader(page+text))
}

func (a *app) panic(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, page)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func (a *app) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{"/page": a.page, "/stream": a.stream, "/hijack": a.hijack, "/trailer": a.trailer, "/file": a.file, "/panic": a.panic}
}

func (a *app) missing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(404)
	io.WriteString(w, missing)
}

type middleware = func(http.Handler) http.Handler

func (a *app) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.missing)
	for path, h := range a.routes() {
		mux.HandleFunc(path, h)
	}
	return mux
}

func (a *app) chi(use ...middleware) http.Handler {
	r := chi.NewRouter()
	r.Use(use...)
	r.NotFound(a.missing)
	for path, h := range a.routes() {
		r.Get(path, h)
	}
	return r
}

// gin has its own words for most of it; its writer is its own type.
func (a *app) gin(use ...gin.HandlerFunc) http.Handler {
	e := gin.New()
	e.Use(use...)
	e.NoRoute(func(c *gin.Context) { c.Data(404, "text/html", []byte(missing)) })
	for path, h := range a.routes() {
		if path != "/stream" {
			e.GET(path, func(c *gin.Context) { h(c.Writer, c.Request) })
		}
	}
	e.GET("/stream", a.ginStream)
	return e
}

func (a *app) ginStream(c *gin.Context) {
	c.Header("Content-Type", "text/html")
	c.Stream(func(w io.Writer) bool {
		step, more := <-a.steps
		io.WriteString(w, step)
		return more
	})
}

// echo answers errors, and what has no route, after the middlewares have returned.
func (a *app) echo(use ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.Use(use...)
	e.HTTPErrorHandler = func(err error, c echo.Context) { c.HTML(404, missing) }
	for path, h := range a.routes() {
		e.GET(path, func(c echo.Context) error {
			h(c.Response(), c.Request())
			return nil
		})
	}
	return e
}

// The ways to put a program and devserve together.
var ways = map[string]func(a *app, dev *server.Server) http.Handler{
	"net/http":                    func(a *app, dev *server.Server) http.Handler { return dev.Middleware(a.mux()) },
	"net/http, gzip outside":      func(a *app, dev *server.Server) http.Handler { return gzhttp.GzipHandler(dev.Middleware(a.mux())) },
	"net/http, gzip inside":       func(a *app, dev *server.Server) http.Handler { return dev.Middleware(gzhttp.GzipHandler(a.mux())) },
	"chi, outside":                func(a *app, dev *server.Server) http.Handler { return dev.Middleware(a.chi()) },
	"chi":                         func(a *app, dev *server.Server) http.Handler { return a.chi(chimw.Recoverer, dev.Middleware) },
	"chi, gzip outside":           func(a *app, dev *server.Server) http.Handler { return a.chi(chimw.Compress(5), dev.Middleware) },
	"chi, gzip inside":            func(a *app, dev *server.Server) http.Handler { return a.chi(dev.Middleware, chimw.Compress(5)) },
	"chi, the site below /":       func(a *app, dev *server.Server) http.Handler { return mountChi(a, dev) },
	"gin, outside":                func(a *app, dev *server.Server) http.Handler { return dev.Middleware(a.gin()) },
	"gin, gzip inside":            func(a *app, dev *server.Server) http.Handler { return dev.Middleware(a.gin(ginzip.Gzip(5))) },
	"gin, no route":               func(a *app, dev *server.Server) http.Handler { return noRoute(a, dev) },
	"gin, no route, gzip outside": func(a *app, dev *server.Server) http.Handler { return noRoute(a, dev, ginzip.Gzip(5)) },
	"echo, outside":               func(a *app, dev *server.Server) http.Handler { return dev.Middleware(a.echo()) },
	"echo": func(a *app, dev *server.Server) http.Handler {
		return a.echo(echomw.Recover(), echo.WrapMiddleware(dev.Middleware))
	},
	"echo, before the routing": func(a *app, dev *server.Server) http.Handler { return preEcho(a, dev) },
	"echo, gzip outside": func(a *app, dev *server.Server) http.Handler {
		return a.echo(echomw.Gzip(), echo.WrapMiddleware(dev.Middleware))
	},
	"echo, gzip inside": func(a *app, dev *server.Server) http.Handler {
		return a.echo(echo.WrapMiddleware(dev.Middleware), echomw.Gzip())
	},
}

func mountChi(a *app, dev *server.Server) http.Handler {
	r := chi.NewRouter()
	r.Mount("/", dev.Middleware(a.chi()))
	return r
}

// noRoute leaves what gin has no route for to the site and to handlers of net/http.
func noRoute(a *app, dev *server.Server, use ...gin.HandlerFunc) http.Handler {
	e := gin.New()
	e.Use(use...)
	e.NoRoute(gin.WrapH(dev.Middleware(a.mux())))
	return e
}

func preEcho(a *app, dev *server.Server) http.Handler {
	e := a.echo().(*echo.Echo)
	e.Pre(echo.WrapMiddleware(dev.Middleware))
	return e
}

// start serves an app and a site together, by a server with short timeouts.
func start(t *testing.T, a *app, way func(*app, *server.Server) http.Handler) (*httptest.Server, *server.Server, *warnings) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.ts"), []byte("export const answer: number = 42\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log := new(warnings)
	dev, err := server.New(server.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- dev.Run(ctx) }()
	srv := httptest.NewUnstartedServer(way(a, dev))
	srv.Config.WriteTimeout = timeout
	srv.Config.ReadTimeout = timeout
	srv.Start()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	<-dev.Ready()
	return srv, dev, log
}

// warnings are what a person would read in the terminal.
type warnings struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

const timeout = time.Second

// ask returns the answer to a navigation of a browser, decoded.
func ask(t *testing.T, url, dest string) (*http.Response, string, error) {
	t.Helper()
	res, err := open(t, url, dest)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func open(t *testing.T, url, dest string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Dest", dest)
	r.Header.Set("Accept", map[string]string{"document": "text/html,*/*;q=0.8"}[dest])
	return http.DefaultTransport.RoundTrip(r) // asks for gzip, and decodes
}

// without returns body without the client, and how often it is in there.
func without(body string) (string, int) {
	n := 0
	for {
		begin := strings.Index(body, `<script src="/_devserve/client.js"`)
		if begin < 0 {
			return body, n
		}
		end := begin + strings.Index(body[begin:], "</script>") + len("</script>")
		body, n = body[:begin]+body[end:], n+1
	}
}

func TestFrameworks(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &app{make(chan string)}
			srv, dev, log := start(t, a, way)
			for _, test := range []struct {
				path, want string
				code       int
			}{{"/page", page + text, 200}, {"/file", page + text, 200}, {"/trailer", page + text, 200}, {"/none", missing, 404}} {
				res, body, err := ask(t, srv.URL+test.path, "document")
				if err != nil {
					t.Fatalf("%s: %v", test.path, err)
				}
				if got, n := without(body); got != test.want || n != 1 || res.StatusCode != test.code {
					t.Errorf("%s: got %s, %d clients, %d bytes: %.200q", test.path, res.Status, n, len(got), body)
				}
				if test.path == "/trailer" && res.Trailer.Get("X-Sum") != "1" {
					t.Errorf("trailer %v", res.Trailer)
				}
				if want := strings.HasSuffix(name, "gzip outside"); test.path == "/page" && res.Uncompressed != want {
					t.Errorf("compressed: %v", !want)
				}
			}
			if res, body, err := ask(t, srv.URL+"/main.ts", "script"); err != nil || !strings.Contains(body, "answer = 42") || res.StatusCode != 200 {
				t.Errorf("main.ts: %v: %.100q", err, body)
			}
			if res, body, err := ask(t, srv.URL+"/_devserve/status", "empty"); err != nil || !strings.Contains(body, "clientCount") || res.StatusCode != 200 {
				t.Errorf("status: %v: %.100q", err, body)
			}
			if _, body, err := ask(t, srv.URL+"/panic", "document"); err == nil {
				t.Errorf("half a page looks whole: %.100q", body)
			}
			t.Run("stream", func(t *testing.T) { testStream(t, a, srv) })
			t.Run("hijack", func(t *testing.T) { testHijack(t, srv) })
			t.Run("events", func(t *testing.T) {
				// The writer of gin's gzip middleware hides what is below it. Streams end, and people are told the cure.
				hidden := name == "gin, no route, gzip outside"
				testEvents(t, srv, dev, hidden)
				if strings.Contains(log.String(), "WriteTimeout") != hidden {
					t.Errorf("log: %q", log)
				}
			})
		})
	}
}

// Each piece of a page arrives before the next one is written.
func testStream(t *testing.T, a *app, srv *httptest.Server) {
	go func() { a.steps <- page }()
	res, err := open(t, srv.URL+"/stream", "document")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got string
	buf := make([]byte, 64<<10)
	for i, want := range []string{page, page + "<p>1", page + "<p>1<p>2"} {
		if i > 0 {
			a.steps <- want[len(want)-4:]
		}
		for {
			if body, n := without(got); body == want && n == 1 || i == 0 && n == 1 && strings.HasPrefix(page, body) {
				break
			}
			n, err := res.Body.Read(buf)
			got += string(buf[:n])
			if err != nil {
				t.Fatalf("after %q: got %q: %v", want, got, err)
			}
		}
	}
	close(a.steps)
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
		t.Errorf("rest %q: %v", rest, err)
	}
}

func testHijack(t *testing.T, srv *httptest.Server) {
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /hijack HTTP/1.1\r\nHost: %s\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", srv.Listener.Addr())
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 101 ") || !strings.HasSuffix(string(got), "\r\n\r\nhello") {
		t.Errorf("got %q, %v", got, err)
	}
}

// Events come at once and go on coming: for longer than the server lets other answers take, unless brief.
func testEvents(t *testing.T, srv *httptest.Server, dev *server.Server, brief bool) {
	res, err := open(t, srv.URL+"/_devserve/events", "empty")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Cache-Control"); !strings.Contains(got, "no-transform") || res.StatusCode != 200 {
		t.Errorf("got %s, Cache-Control %q", res.Status, got)
	}
	lines := bufio.NewScanner(res.Body)
	next := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	next("retry:")
	enough := timeout + timeout/2
	if brief {
		enough = timeout / 4
	}
	tick := time.NewTicker(timeout / 20)
	defer tick.Stop()
	for n, began := 0, time.Now(); time.Since(began) < enough; n++ {
		<-tick.C
		if err := dev.Publish("tick", n); err != nil {
			t.Fatal(err)
		}
		next(`"tick"`)
	}
}
