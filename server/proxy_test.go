package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/command"
)

// serveUpstream starts a server that answers in h's way, and returns its address.
func serveUpstream(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// front starts a devserve with o, over an empty site unless o names one, and returns its address.
func front(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s := newServer(t, o)
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		srv.Close()
	})
	return s, srv.URL
}

// talk sends raw bytes to a server and returns the connection.
func talk(t testing.TB, url, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	request = strings.ReplaceAll(strings.ReplaceAll(request, "HOST", host), "\n", "\r\n")
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func TestRoutes(t *testing.T) {
	named := func(name string) string {
		return serveUpstream(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", name, r.URL.EscapedPath()) })
	}
	s, _ := front(t, Options{
		Dir:     writeSite(t, map[string]string{"index.html": "<title>site</title>", "a.txt": "site", "api/a.txt": "site", "app.ts": "console.log('site')"}),
		Proxy:   map[string]string{"/api": named("api"), "/api/v2/": named("v2"), "/_devserve": named("own"), "/at": named("at") + "/below/"},
		Backend: named("backend"),
	})
	for _, tt := range []struct {
		target string
		header []string
		status int
		body   string
	}{
		{"/api", curl, 200, "api /api"},
		{"/api/", curl, 200, "api /api/"},
		{"/api/a.txt", curl, 200, "api /api/a.txt"},
		{"/api/v2", curl, 200, "v2 /api/v2"},
		{"/api/v2/x", curl, 200, "v2 /api/v2/x"},
		{"/api/v22", curl, 200, "api /api/v22"},
		{"/api%2Fx%20y", curl, 200, "api /api%2Fx%20y"},
		{"/apiary", curl, 200, "backend /apiary"},
		{"/API", curl, 200, "backend /API"},
		{"/at/x", curl, 200, "at /below/at/x"},
		{"/a.txt", curl, 200, "site"},
		{"/", navigation, 200, "<title>site"},
		{"/app.ts", module, 200, "console.log"},
		{"/route", navigation, 200, "backend /route"},
		{"/none.png", image, 200, "backend /none.png"},
		{"/.env", curl, 200, "backend /.env"},
		{"/api/../a", curl, 400, `".."`},
		{"/api/%2e%2E/a", curl, 400, `".."`},
		{"/api/x%2f..", curl, 400, `".."`},
		{"/api/./a", curl, 400, `".."`},
		{"/x/../api", curl, 400, `".."`},
		{"/_devserve/client.js", curl, 200, "token"},
		{"/_devserve/none", curl, 404, "no such endpoint"},
	} {
		resp, body := get(t, s, tt.target, tt.header...)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s: %s %.100q, want %d %q", tt.target, resp.Status, body, tt.status, tt.body)
		}
	}
	if resp, body := do(t, s, "POST", "/a.txt", curl...); resp.StatusCode != 200 || body != "backend /a.txt" {
		t.Errorf("what is sent is not for files: %s %q", resp.Status, body)
	}

	// A middleware has its next in the backend's place, and the same rules.
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "next") }))
	for target, want := range map[string]string{"/api/x": "api /api/x", "/x": "next", "/a.txt": "site"} {
		if _, body := get(t, h, target, curl...); body != want {
			t.Errorf("middleware: %s: %q, want %q", target, body, want)
		}
	}

	// All is one server's, below a base too.
	all, _ := front(t, Options{Base: "/sub/", Proxy: map[string]string{"/": named("all")}})
	for target, want := range map[string]string{"/": "all /", "/x": "all /x", "/sub/a.txt": "all /sub/a.txt", "/sub/_devserve/client.js": "token", "/_devserve/client.js": "all /_devserve/client.js"} {
		if _, body := get(t, all, target, curl...); !strings.Contains(body, want) {
			t.Errorf("all: %s: %.60q, want %q", target, body, want)
		}
	}
}

func TestBadUpstreams(t *testing.T) {
	for _, address := range []string{
		"localhost:8080", "8080", ":8080", "//localhost", "http://", "http:///x", "http://:8080", "http://localhost:x", "http://localhost:99999", "ws://localhost",
		"ftp://localhost", "unix:", "unix", "http://user:password@localhost", "http://localhost?x=1", "http://localhost#x", "http://a b", "", "%",
	} {
		_, err := New(Options{Dir: t.TempDir(), Proxy: map[string]string{"/api": address}})
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("server: proxy /api: bad address %q: ", address)) {
			t.Errorf("%q: %v", address, err)
		}
		if _, err := New(Options{Dir: t.TempDir(), Backend: address}); address != "" && err == nil {
			t.Errorf("backend %q: no error", address)
		}
	}
	for _, rule := range []string{"", "api", "/a//b", "/a/../b", "/a?b", "/a/*", "//"} {
		if _, err := New(Options{Dir: t.TempDir(), Proxy: map[string]string{rule: "http://localhost"}}); err == nil || !strings.Contains(err.Error(), "bad proxy path") {
			t.Errorf("path %q: %v", rule, err)
		}
	}
	if _, err := New(Options{Dir: t.TempDir(), Proxy: map[string]string{"/a": "http://localhost", "/a/": "http://localhost"}}); err == nil {
		t.Error("two rules for one path")
	}
}

// What the upstream is told, and what the browser.
func TestProxyHeaders(t *testing.T) {
	var asked *http.Request
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r
		h := w.Header()
		h.Set("Connection", "X-Hop")
		h.Set("X-Hop", "1")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("X-Kept", "yes")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Add("Set-Cookie", "a=1; HttpOnly")
		h.Add("Set-Cookie", "b=2")
		h.Set("Location", "http://"+r.Host+"/there")
		w.WriteHeader(http.StatusFound)
	})
	s, url := front(t, Options{Backend: address})
	ask := func() *http.Response {
		r, err := http.NewRequest("GET", url+"/a%2Fb;c?x=1;y=%zz&z=a+b", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Origin": url, "Connection": "X-Mine, keep-alive", "X-Mine": "1", "Te": "trailers, deflate", "Proxy-Authorization": "secret",
			"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6",
			"Cookie": "session=1", "Authorization": "Bearer x", "Accept-Encoding": "br",
		} {
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	resp := ask()
	host := strings.TrimPrefix(url, "http://")
	if got := asked.RequestURI; got != "/a%2Fb;c?x=1;y=%zz&z=a+b" {
		t.Errorf("asked for %s", got)
	}
	if asked.Host != host {
		t.Errorf("Host is %s, want the browser's, %s", asked.Host, host)
	}
	for name, want := range map[string]string{
		"Origin": url, "X-Mine": "", "Te": "trailers", "Proxy-Authorization": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": host, "X-Forwarded-Proto": "http",
		"Forwarded": "", "Cookie": "session=1", "Authorization": "Bearer x", "Accept-Encoding": "br", "Connection": "",
	} {
		if got := strings.Join(asked.Header[name], ", "); got != want {
			t.Errorf("request: %s is %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"X-Hop": "", "Keep-Alive": "", "X-Kept": "yes", "Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
		"Set-Cookie": "a=1; HttpOnly, b=2", "Location": url + "/there",
	} {
		if got := strings.Join(resp.Header[name], ", "); got != want {
			t.Errorf("answer: %s is %q, want %q", name, got, want)
		}
	}

	// One that is not on this machine has its own name, and its redirects lead back.
	s.backend.local = false
	resp = ask()
	if want := strings.TrimPrefix(address, "http://"); asked.Host != want || asked.Header.Get("Origin") != url || asked.Header.Get("X-Forwarded-Host") != host {
		t.Errorf("Host %s, Origin %s, X-Forwarded-Host %s", asked.Host, asked.Header.Get("Origin"), asked.Header.Get("X-Forwarded-Host"))
	}
	if got := resp.Header.Get("Location"); got != "/there" {
		t.Errorf("Location %q", got)
	}
}

// What Guard has said is not said again, or no browser would heed it.
func TestProxySharesOnce(t *testing.T) {
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Expose-Headers", "X-Total")
		w.Header().Set("Vary", "Accept")
	})
	s, _ := front(t, Options{Backend: address, AllowOrigins: []string{"https://app.example.com"}})
	resp, _ := get(t, s, "/x", append([]string{"Origin", "https://app.example.com"}, curl...)...)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://app.example.com", "Access-Control-Expose-Headers": "X-Total", "Vary": "Origin, Accept",
	} {
		if got := strings.Join(resp.Header[name], ", "); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestProxyInjects(t *testing.T) {
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><head><title>app</title>")
		w.(http.Flusher).Flush()
		io.WriteString(w, "<p>"+r.Header.Get("Accept-Encoding"))
	})
	s, _ := front(t, Options{Proxy: map[string]string{"/app": address}, Backend: address})
	for _, target := range []string{"/app/x", "/"} {
		if _, body := get(t, s, target, append([]string{"Accept-Encoding", "gzip"}, navigation...)...); !strings.Contains(body, `<head><script src="/_devserve/client.js"`) {
			t.Errorf("%s: %s", target, body)
		}
		if _, body := get(t, s, target, fetch...); strings.Contains(body, "_devserve") {
			t.Errorf("%s, asked for by a script: %s", target, body)
		}
	}
}

// A WebSocket is a connection that changes hands: bytes pass both ways until one side ends it.
func TestProxyUpgrades(t *testing.T) {
	ended := make(chan struct{}, 1)
	echo := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Sec-Websocket-Key") != "k" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello")
		io.Copy(conn, rw)
		ended <- struct{}{}
	}
	plain := serveUpstream(t, echo)
	h2c := "h2c" + strings.TrimPrefix(plain, "http")
	s, url := front(t, Options{Proxy: map[string]string{"/plain": plain, "/h2c": h2c}})
	const request = "GET /%s/ws HTTP/1.1\nHost: HOST\nOrigin: http://HOST\nUpgrade: websocket\nConnection: keep-alive, Upgrade\nSec-WebSocket-Key: k\nSec-WebSocket-Version: 13\n\n"
	for _, name := range []string{"plain", "h2c"} {
		conn, from := talk(t, url, fmt.Sprintf(request, name))
		resp, err := http.ReadResponse(from, nil)
		if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "x" {
			t.Fatalf("%s: %v, %v", name, resp, err)
		}
		want := "hello"
		for _, text := range []string{"", "one", "\x00\xff\r\n\r\n", strings.Repeat("x", 100_000)} {
			want += text
			go io.WriteString(conn, text)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
				t.Fatalf("%s: got %.40q, %v", name, got, err)
			}
			want = ""
		}
		if name == "h2c" {
			s.Close() // ends what the browser does not
		} else {
			conn.Close()
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the upstream's side is still open", name)
		}
	}
}

// Each piece is there before the next is written.
func TestProxyStreams(t *testing.T) {
	next := make(chan string)
	gone := make(chan struct{})
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		defer func() { gone <- struct{}{} }()
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		if r.URL.Path == "/download" {
			w.Header().Set("Content-Length", "1000000")
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for {
			select {
			case text := <-next:
				io.WriteString(w, text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	_, url := front(t, Options{Backend: address})
	for path, ctype := range map[string]string{"/events": "text/event-stream", "/lines": "application/x-ndjson", "/download": "application/zip"} {
		conn, from := talk(t, url, "GET "+path+" HTTP/1.1\nHost: HOST\nAccept: "+ctype+"\n\n")
		resp, err := http.ReadResponse(from, nil)
		if err != nil || resp.Header.Get("Content-Type") != ctype {
			t.Fatal(resp, err)
		}
		body := bufio.NewReader(resp.Body)
		for _, text := range []string{"data: 1\n", "\n", "data: 2\n"} {
			next <- text
			if got, err := body.ReadString('\n'); got != text || err != nil {
				t.Fatalf("%s: got %q, %v", ctype, got, err)
			}
		}
		conn.Close()
		<-gone
	}
}

// The upstream hears of a reader that has gone away, and of a server that is closed.
func TestProxyEnds(t *testing.T) {
	gone := make(chan struct{}, 2)
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	})
	s, url := front(t, Options{Backend: address})
	for _, end := range []func(net.Conn){func(c net.Conn) { c.Close() }, func(net.Conn) { s.Close() }} {
		conn, from := talk(t, url, "GET / HTTP/1.1\nHost: HOST\n\n")
		if _, err := http.ReadResponse(from, nil); err != nil {
			t.Fatal(err)
		}
		end(conn)
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Fatal("the upstream still writes")
		}
	}
}

// Request and answer may be under way at the same time, with trailers behind both.
func TestProxyTrailers(t *testing.T) {
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusOK)
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "<%s>\n", lines.Text())
			w.(http.Flusher).Flush()
		}
		w.Header().Set("X-Sum", r.Trailer.Get("X-End"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	})
	for _, held := range []bool{false, true} {
		s, url := front(t, Options{Backend: address})
		if held {
			s.backend.hold = noHold(t)
		}
		testTrailers(t, url)
	}
}

// noHold returns a hold for which nothing is to be waited.
func noHold(t *testing.T) *hold {
	h := newHold(nil)
	group, err := command.New(nil, command.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.group = group
	return h
}

func testTrailers(t *testing.T, url string) {
	t.Helper()
	body, to := io.Pipe()
	r, err := http.NewRequest("POST", url+"/echo", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"X-End": nil}
	go io.WriteString(to, "one\n")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	from := bufio.NewReader(resp.Body)
	for _, word := range []string{"one", "two"} {
		if word != "one" {
			io.WriteString(to, word+"\n")
		}
		if got, err := from.ReadString('\n'); err != nil || got != "<"+word+">\n" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	r.Trailer.Set("X-End", "done")
	to.Close()
	if _, err := io.Copy(io.Discard, from); err != nil {
		t.Fatal(err)
	}
	if resp.Trailer.Get("X-Sum") != "done" || resp.Trailer.Get("X-Late") != "late" {
		t.Errorf("trailers: %v", resp.Trailer)
	}
}

// Who asks first whether it may send is told by the upstream, and by nobody else.
func TestProxyExpect(t *testing.T) {
	read := make(chan int64, 1)
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") != "100-continue" {
			t.Error("the upstream is not asked")
		}
		if r.URL.Path == "/no" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		read <- n
	})
	_, url := front(t, Options{Backend: address})
	const request = "POST %s HTTP/1.1\nHost: HOST\nExpect: 100-continue\nContent-Length: 5\n\n"
	_, from := talk(t, url, fmt.Sprintf(request, "/no"))
	if line, err := from.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 413 ") {
		t.Errorf("refused: %q, %v", line, err)
	}
	conn, from := talk(t, url, fmt.Sprintf(request, "/yes"))
	if resp, err := http.ReadResponse(from, nil); err != nil || resp.StatusCode != 100 {
		t.Fatalf("allowed: %v, %v", resp, err)
	}
	io.WriteString(conn, "hello")
	resp, err := http.ReadResponse(from, nil)
	for err == nil && resp.StatusCode == 100 { // net/http says it too when the body is read
		resp, err = http.ReadResponse(from, nil)
	}
	if err != nil || resp.StatusCode != 200 || <-read != 5 {
		t.Errorf("sent: %v, %v", resp, err)
	}
}

func TestProxyEarlyHints(t *testing.T) {
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "<!doctype html>")
	})
	_, url := front(t, Options{Backend: address})
	_, from := talk(t, url, "GET / HTTP/1.1\nHost: HOST\nSec-Fetch-Dest: document\n\n")
	if line, err := from.ReadString('\n'); err != nil || line != "HTTP/1.1 103 Early Hints\r\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestProxyHTTP2(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Proto, r.Header.Get("Te"), body)
		w.Header().Set("Grpc-Status", "0")
	})
	secure := httptest.NewUnstartedServer(h)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	clear := httptest.NewUnstartedServer(h)
	clear.Config.Protocols = new(http.Protocols)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Start()
	t.Cleanup(clear.Close)

	_, url := front(t, Options{Proxy: map[string]string{"/tls": secure.URL, "/h2c": "h2c" + strings.TrimPrefix(clear.URL, "http")}})
	for _, path := range []string{"/tls", "/h2c"} {
		r, err := http.NewRequest("POST", url+path, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Te", "trailers")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != "HTTP/2.0 trailers hello" || resp.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%s: %s %q, trailers %v, %v", path, resp.Status, body, resp.Trailer, err)
		}
	}
}

func TestProxySocket(t *testing.T) {
	name := filepath.Join(t.TempDir(), "my app.sock")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host, r.URL) })}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	s, _ := front(t, Options{Backend: "unix:" + name})
	if _, body := get(t, s, "/x?y", curl...); body != "localhost:3000/x?y" {
		t.Errorf("got %q", body)
	}
}

// What is sent passes as it comes: an upstream that does not read stops who writes, and nothing piles up.
func TestProxyUploads(t *testing.T) {
	const size = 100 << 20
	start := make(chan struct{})
	sum := make(chan [sha256.Size]byte, 1)
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		<-start
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		if n != size || err != nil || r.ContentLength != size {
			t.Errorf("%d of %d bytes arrived, %v", n, r.ContentLength, err)
		}
		sum <- [sha256.Size]byte(h.Sum(nil))
	})
	_, url := front(t, Options{Backend: address})
	conn, from := talk(t, url, fmt.Sprintf("PUT /file HTTP/1.1\nHost: HOST\nContent-Length: %d\n\n", size))
	chunk := make([]byte, 1<<20)
	rand.Read(chunk)
	h := sha256.New()
	sent := 0
	send := func() (err error) {
		for n := 0; sent < size && err == nil; sent += n {
			from := sent % len(chunk)
			n, err = conn.Write(chunk[from:min(len(chunk), from+size-sent)])
			h.Write(chunk[from : from+n])
		}
		return err
	}
	conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	if err := send(); !errors.Is(err, os.ErrDeadlineExceeded) || sent > size/2 {
		t.Errorf("%d bytes were taken for an upstream that does not read, %v", sent, err)
	}
	conn.SetWriteDeadline(time.Time{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	close(start)
	if err := send(); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(from, nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 10<<20 {
		t.Errorf("%d bytes were allocated on the way", got)
	}
	if got := <-sum; !bytes.Equal(got[:], h.Sum(nil)) {
		t.Error("other bytes arrived than were sent")
	}
}

// A body that ends too early must not look whole.
func TestProxyCut(t *testing.T) {
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		io.WriteString(w, "<!doctype html><title>half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, url := front(t, Options{Backend: address})
	for _, ctype := range []string{"text/html", "text/plain"} {
		_, from := talk(t, url, "GET / HTTP/1.1\nHost: HOST\nAccept: "+ctype+"\n\n")
		resp, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: %q looks whole", ctype, body)
		}
	}
}

// freeAddress returns an address where nothing listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

func TestProxyWaits(t *testing.T) {
	address := freeAddress(t)
	var log bytes.Buffer
	s, url := front(t, Options{
		Base: "/sub/", Proxy: map[string]string{"/api": "http://" + address}, Backend: "http://" + address,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for range 2 {
		resp, body := get(t, s, "/api/x", fetch...)
		want := fmt.Sprintf(`{"error":"http://%s does not answer: connection refused","upstream":"http://%[1]s"}`+"\n", address)
		if resp.StatusCode != 502 || body != want || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("API: %s %v %s", resp.Status, resp.Header, body)
		}
	}
	for target, header := range map[string][]string{"/api/a%22b": navigation, "/sub/page": oldBrowser} {
		resp, body := get(t, s, target, header...)
		if resp.StatusCode != 502 || !strings.Contains(body, "Waiting for "+address) || !strings.Contains(body, "connection refused") ||
			!strings.Contains(body, `src="/sub/_devserve/client.js"`) || !strings.Contains(body, "location.reload()") {
			t.Errorf("%s: %s\n%s", target, resp.Status, body)
		}
	}
	if _, body := do(t, s, "POST", "/sub/form", navigation...); !strings.Contains(body, "send it again") || strings.Contains(body, "location.reload") {
		t.Errorf("a form: %s", body)
	}
	if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "does not answer") {
		t.Errorf("the log, of two upstreams: %s", &log)
	}

	// A page that waits hears of it as soon as something answers, whatever it says.
	answer := make(chan *http.Response, 1)
	go func() {
		resp, err := http.Get(url + "/sub/_devserve/upstream?path=/api/x")
		if err != nil {
			t.Error(err)
		}
		resp.Body.Close()
		answer <- resp
	}()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	methods := make(chan string, 100)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods <- r.Method
		http.NotFound(w, r)
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	if method := <-methods; method != "HEAD" {
		t.Errorf("it is asked by %s whether it is there", method)
	}
	if resp := <-answer; resp.StatusCode != 204 || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the poll was answered %s", resp.Status)
	}
	if resp, _ := get(t, s, "/api/x", fetch...); resp.StatusCode != 404 {
		t.Errorf("now it answers %s", resp.Status)
	}
	if !strings.Contains(log.String(), "answers again") {
		t.Errorf("the log: %s", &log)
	}
	for _, path := range []string{"", "x", "/api/../x"} {
		if resp, _ := get(t, s, "/sub/_devserve/upstream?path="+path, fetch...); resp.StatusCode != 404 {
			t.Errorf("path %q: %s", path, resp.Status)
		}
	}
	if resp, _ := get(t, newServer(t, Options{Dir: t.TempDir()}), "/_devserve/upstream?path=/", fetch...); resp.StatusCode != 404 {
		t.Errorf("without an upstream: %s", resp.Status)
	}
	if resp, _ := do(t, s, "POST", "/sub/_devserve/upstream?path=/", fetch...); resp.StatusCode != 405 {
		t.Errorf("POST: %s", resp.Status)
	}
}

// A poll is over when the page is closed, and when the server is.
func TestProxyPollEnds(t *testing.T) {
	s, _ := front(t, Options{Backend: "http://" + freeAddress(t)})
	r := httptest.NewRequest("GET", "/_devserve/upstream?path=/", nil)
	r.Host = "localhost"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != 503 {
		t.Errorf("without a reader: %d", w.Code)
	}
	done := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		done <- w.Code
	}()
	s.Close()
	if code := <-done; code != 503 {
		t.Errorf("after Close: %d", code)
	}
}

// An address that leads back here is found out before it has taken all connections.
func TestProxyLoop(t *testing.T) {
	address := freeAddress(t)
	second, between := front(t, Options{Backend: "http://" + address})
	first := newServer(t, Options{Dir: t.TempDir(), Backend: between})
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: first}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	for name, s := range map[string]*Server{"first": first, "second": second} {
		if resp, body := get(t, s, "/x", fetch...); resp.StatusCode != 508 || !strings.Contains(body, "leads back") {
			t.Errorf("%s: %s %s", name, resp.Status, body)
		}
	}
}

// Some take a request and never answer.
func TestProxyNeverAnswers(t *testing.T) {
	gone := make(chan struct{}, 2)
	address := serveUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		gone <- struct{}{}
	})
	s, _ := front(t, Options{Backend: address})
	s.backend.plain.ResponseHeaderTimeout = 50 * time.Millisecond
	if resp, body := get(t, s, "/x", fetch...); resp.StatusCode != 504 || !strings.Contains(body, "has not begun to answer") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := get(t, s, "/x", navigation...); resp.StatusCode != 504 || !strings.Contains(body, "Waiting for ") {
		t.Errorf("%s %s", resp.Status, body)
	}
	for range 2 {
		<-gone
	}
}

// Some take a connection only to end it.
func TestProxyBreaksOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	s, _ := front(t, Options{Backend: "http://" + l.Addr().String()})
	if resp, body := get(t, s, "/x", fetch...); resp.StatusCode != 502 || !strings.Contains(body, "broke off") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if _, body := get(t, s, "/x", navigation...); !strings.Contains(body, "pause =  1000") {
		t.Errorf("the page asks again at once: %s", body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*askEvery)
	defer cancel()
	if s.backend.awaited(ctx, "/") {
		t.Error("a connection alone is no answer")
	}
}
