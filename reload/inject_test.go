package reload

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const tag = `<script src="/_devserve/client.js" data-id="boot-0"></script>`

// htmlOf answers with body in pieces, cut at the bytes |.
func htmlOf(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		for piece := range strings.SplitSeq(body, "|") {
			io.WriteString(w, piece)
		}
	}
}

// Where the client belongs: @ marks the place in what the handler answers.
func TestInjectPlace(t *testing.T) {
	h := newHub(t, Options{})
	for _, test := range []struct {
		name string
		html string
		only string // "navigation": only if the browser says that it will show it
	}{
		{name: "head", html: `<!doctype html><html><head>@<title>x</title></head><body>y</body></html>`},
		{name: "upper case, attributes", html: "<!DOCTYPE html>\n<HTML lang=en><HEAD a='>' b=\"<head>\">@\n<TITLE>x"},
		{name: "charset first", html: "<head>\n<!-- c --> <meta charset=utf-8>@\n<title>x</title>"},
		{name: "charset by http-equiv", html: `<head><META http-equiv="Content-Type" content="text/html; charset=x">@<base href=//cdn.test/>`},
		{name: "charset later", html: `<head>@<title>x</title><meta charset=utf-8>`},
		{name: "other meta first", html: `<head>@<meta name=viewport><meta charset=utf-8>`},
		{name: "base first", html: `<head>@<base href=//cdn.test/><meta charset=utf-8>`},
		{name: "charset twice", html: `<head><meta charset=utf-8>@<meta charset=utf-8>`},
		{name: "no head", html: "<!doctype html>\n<html>\n@<body>x"},
		{name: "no head, charset", html: "<!doctype html>\n<meta charset=utf-8>@<title>x</title><p>y"},
		{name: "no html", html: `@<title>x</title><p>y`},
		{name: "body only", html: `@<body><p>y`},
		{name: "link only", html: `@<link rel=stylesheet href=x.css><p>y`},
		{name: "base only", html: `@<base href=/><p>y`},
		{name: "frameset", html: `<html>@<frameset><frame src=x></frameset></html>`},
		{name: "text", html: "<!doctype html> \n@hello"},
		{name: "entity", html: `<!doctype html>@&lt;head>`},
		{name: "a lone <", html: `<!doctype html>@< head>`},
		{name: "end tag", html: `<!doctype html>@</head><body>`},
		{name: "end at once", html: `<head>@</head>`},
		{name: "comment with a head", html: `<!doctype html><!-- <head> --><html><!-- > --><head>@<!-- x --><title>`},
		{name: "conditional comment", html: `<!--[if lt IE 9]><html class=ie><head><![endif]--><html><head>@<title>`},
		{name: "processing instruction", html: `<?xml version="1.0"?><!DOCTYPE html><html><head>@<title>`},
		{name: "empty end tag", html: `<!doctype html></><html><head>@<title>`},
		{name: "script with a head", html: `<html>@<script>"<head>"</script><head>`},
		{name: "template with a head", html: `<html>@<template><head></template><head>`},
		{name: "title with a head", html: `<html>@<title><head></title>`},
		{name: "byte order mark", html: "\ufeff<!doctype html><head>@<title>"},
		{name: "NULs", html: "<!doctype html>@\x00<head>"},
		{name: "Latin-1", html: "<!doctype html><head>@<title>\xe9\xff"},
		{name: "Shift_JIS", html: "<!doctype html><head>@<title>\x83\x5c\x95\x5c\xb6\x3c\xc5</title>\x83\x7b"},
		{name: "ISO-2022-JP", html: "<!doctype html><head><meta charset=iso-2022-jp>@<title>\x1b$B%F%9%H\x1b(B</title>"},
		{name: "cut off in the head", html: `<!doctype html><html><head>@`},
		{name: "cut off before the head", html: `<!doctype html><html>@`},
		{name: "cut off in a tag", html: `<!doctype html><html>@<head`},
		{name: "cut off in a comment", html: `<!doctype html>@<!-- <head>`},
		{name: "head twice", html: `<head>@<head><title>`},
		{name: "self-closing head", html: `<html><head />@<title>`},
		{name: "tag like head", html: `<!doctype html>@<header>x</header>`},
		{name: "a script of another's", html: `<head>@<script src="/client.js"></script>`},

		{name: "element", html: `@<h1>hi</h1>`, only: "navigation"},
		{name: "plain text", html: ` @hi`, only: "navigation"},
		{name: "comment, element", html: `<!-- c -->@<h1>hi</h1>`, only: "navigation"},
		{name: "script", html: `@<script>1</script>`, only: "navigation"},
		{name: "row", html: `@<tr><td>1</td></tr>`, only: "navigation"},
		{name: "empty", html: `@`, only: "navigation"},
		{name: "space", html: " \n@", only: "navigation"},
		{name: "byte order mark alone", html: "\ufeff@", only: "navigation"},

		{name: "loaded by itself", html: `<head><script src="/_devserve/client.js" defer></script></head>`},
		{name: "loaded by itself, after the charset", html: `<head><meta charset=utf-8><script src=/sub/_devserve/client.js?x></script>`},
		{name: "loaded by itself, later", html: `<head><title>x</title><script src="/_devserve/client.js"></script></head>`},
		{name: "loaded by itself, in the body", html: `<body><script>"</"</script><SCRIPT SRC='/_devserve/client.js'></SCRIPT>`},
		{name: "only spoken of", html: `<head>@<title>/_devserve/client.js</title><!-- <script src="/_devserve/client.js"> -->`},
		{name: "UTF-16, big end first", html: "\xfe\xff\x00<\x00h"},
		{name: "UTF-16, little end first", html: "\xff\xfe<\x00h\x00"},
		{name: "UTF-16 without a mark, big end first", html: "\x00<\x00h"},
		{name: "UTF-16 without a mark, little end first", html: "<\x00h\x00"},
	} {
		input := strings.ReplaceAll(test.html, "@", "")
		for _, dest := range []string{"document", "iframe", "frame", "", "empty", "script"} {
			want := strings.ReplaceAll(test.html, "@", tag)
			if dest == "empty" || dest == "script" || dest == "" && test.only == "navigation" {
				want = input
			}
			for name, pieces := range map[string]string{"whole": input, "in bytes": strings.Join(strings.Split(input, ""), "|"), "in halves": input[:len(input)/2] + "|" + input[len(input)/2:]} {
				r := request("GET", "/")
				if dest != "" {
					r.Header.Set("Sec-Fetch-Dest", dest)
				}
				if name == "in bytes" && strings.Contains(test.name, "itself, ") && !strings.Contains(test.name, "charset") {
					continue // a stream is not waited for: the page then finds the client running
				}
				if name == "in halves" && strings.Contains(test.name, "itself, ") {
					continue
				}
				if got := bodyOf(t, get(h.Inject(htmlOf(pieces)), r)); got != want {
					t.Errorf("%s, for %q, %s:\n got %q\nwant %q", test.name, dest, name, got, want)
				}
			}
		}
	}
}

func TestInjectOnlyWherePagesAre(t *testing.T) {
	h := newHub(t, Options{})
	const page = "<!doctype html><title>x</title>"
	for _, test := range []struct {
		name     string
		response []string
		request  []string
		code     int
		want     bool
	}{
		{name: "a page", want: true},
		{name: "not found", code: 404, want: true},
		{name: "broken", code: 500, want: true},
		{name: "a form's answer", request: []string{"method: POST"}, want: true},
		{name: "upper case", response: []string{"Content-Type: TEXT/HTML;Charset=UTF-8"}, want: true},
		{name: "odd parameters", response: []string{"Content-Type: text/html; charset"}, want: true},
		{name: "no charset", response: []string{"Content-Type: text/html"}, want: true},
		{name: "identity", response: []string{"Content-Encoding: identity"}, want: true},
		{name: "moved", code: 302},
		{name: "part", code: 206},
		{name: "xhtml", response: []string{"Content-Type: application/xhtml+xml"}},
		{name: "text", response: []string{"Content-Type: text/plain"}},
		{name: "htmlish", response: []string{"Content-Type: text/html-sandboxed"}},
		{name: "deflate", response: []string{"Content-Encoding: deflate"}},
		{name: "UTF-16", response: []string{"Content-Type: text/html; charset=UTF-16le"}},
		{name: "a download", response: []string{"Content-Disposition: Attachment; filename=x.html"}, request: []string{"Sec-Fetch-Dest: document"}},
		{name: "shown under a name", response: []string{"Content-Disposition: inline; filename=x.html"}, want: true},
		{name: "htmx", request: []string{"HX-Request: true"}},
		{name: "Turbo, a frame", request: []string{"Turbo-Frame: x"}},
		{name: "Turbo, a visit", request: []string{"X-Turbo-Request-Id: x"}},
		{name: "jQuery", request: []string{"X-Requested-With: XMLHttpRequest"}},
		{name: "Datastar", request: []string{"Datastar-Request: true"}},
		{name: "htmx, though a document", request: []string{"HX-Request: true", "Sec-Fetch-Dest: document"}},
	} {
		r := request("GET", "/", test.request...)
		if m := r.Header.Get("Method"); m != "" {
			r.Method = m
		}
		res := get(h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			for _, line := range test.response {
				name, value, _ := strings.Cut(line, ": ")
				w.Header().Set(name, value)
			}
			w.Header().Set("ETag", `"x"`)
			if test.code != 0 {
				w.WriteHeader(test.code)
			}
			io.WriteString(w, page)
		})), r)
		want, etag := page, `"x"`
		if test.want {
			want, etag = "<!doctype html>"+tag+"<title>x</title>", `W/"x+boot-0"`
		}
		if got := bodyOf(t, res); got != want || res.Header.Get("ETag") != etag || test.code != 0 && res.StatusCode != test.code {
			t.Errorf("%s: got %s, %s: %q", test.name, res.Status, res.Header.Get("ETag"), got)
		}
	}
}

func TestInjectSaysWhyNot(t *testing.T) {
	for want, handler := range map[string]http.Handler{
		"encoded: br, gzip":    htmlOf("x", "Content-Encoding: br, gzip"),
		"does not say so":      htmlOf("\x1f\x8b\x08"),
		"UTF-16":               htmlOf("\xfe\xff\x00<"),
		"no complete document": htmlOf("<p>x"),
		"by itself":            htmlOf(tag),
		"no end of a token":    htmlOf("<!--" + strings.Repeat("x", maxToken+1)),
	} {
		var log strings.Builder
		h := newHub(t, Options{Log: logTo(&log)})
		get(h.Inject(handler), request("GET", "/page"))
		if got := log.String(); !strings.Contains(got, want) || !strings.Contains(got, "url=/page") {
			t.Errorf("want %q, got %s", want, got)
		}
	}
}

func TestInjectSniffs(t *testing.T) {
	h := newHub(t, Options{})
	for _, test := range []struct{ body, want, contentType string }{
		{"<!doctype html><p>x", "<!doctype html>" + tag + "<p>x", "text/html; charset=utf-8"},
		{"<!|doc|type html><p>x", "<!doctype html>" + tag + "<p>x", "text/html; charset=utf-8"},
		{"  <html>" + strings.Repeat(" ", 600) + "x", "  <html>" + strings.Repeat(" ", 600) + tag + "x", "text/html; charset=utf-8"},
		{"plain <head>", "plain <head>", "text/plain; charset=utf-8"},
		{"\x89PNG\x0d\x0a\x1a\x0a|<head>", "\x89PNG\x0d\x0a\x1a\x0a<head>", "image/png"},
		{strings.Repeat("x", 511) + "|" + strings.Repeat("y", 5000), strings.Repeat("x", 511) + strings.Repeat("y", 5000), "text/plain; charset=utf-8"},
		{"", "", ""},
	} {
		for _, flush := range []bool{false, true} {
			res := get(h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for piece := range strings.SplitSeq(test.body, "|") {
					io.WriteString(w, piece)
				}
				if flush {
					w.(http.Flusher).Flush()
				}
			})), request("GET", "/"))
			if got := bodyOf(t, res); got != test.want || res.Header.Get("Content-Type") != test.contentType {
				t.Errorf("%.40q: got %s, %.80q", test.body, res.Header.Get("Content-Type"), got)
			}
		}
	}
	res := get(h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil // as net/http has it: do not look
		io.WriteString(w, "<!doctype html>x")
	})), request("GET", "/"))
	if got := bodyOf(t, res); got != "<!doctype html>x" {
		t.Errorf("asked not to sniff: %q", got)
	}
}

func TestInjectAttributes(t *testing.T) {
	h := newHub(t, Options{Base: "/sub/"})
	publish(t, h, built(1))
	handler := h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		publish(t, h, built(2)) // after the request came in: the page must be told
		htmlOf("<head>", "Devserve-Page: /sub/ü & \"1\".html", "Content-Security-Policy: default-src 'self'; Script-Src 'self' 'nonce-a+/_-1=='").ServeHTTP(w, r)
	}))
	res := get(handler, request("GET", "/"))
	want := `<head><script src="/sub/_devserve/client.js" data-id="boot-1" data-page="/sub/&#252; &#38; &#34;1&#34;.html" nonce="a+/_-1=="></script>`
	if got := bodyOf(t, res); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, r := range []*http.Request{request("GET", "/"), request("HEAD", "/"), request("GET", "/", "Sec-Fetch-Dest: empty")} {
		for _, next := range []http.Handler{htmlOf("", "Devserve-Page: /x"), htmlOf("x", "Devserve-Page: /x", "Content-Type: text/css"),
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Devserve-Page", "/x") })} {
			if res := get(h.Inject(next), r); res.Header["Devserve-Page"] != nil {
				t.Error("Devserve-Page got out")
			}
		}
	}
}

// serve starts a real server.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return srv
}

// ask sends method with headers and returns the answer and its body.
func askFor(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return res, bodyOf(t, res)
}

func TestInjectContentLength(t *testing.T) {
	h := newHub(t, Options{})
	page := "<!doctype html><head></head>" + strings.Repeat("x", 9000)
	for _, test := range []struct {
		name, body, dest string
		flush            bool
		method           string
		more             int64 // than the body has; -1: unknown
	}{
		{name: "page", body: page, more: int64(len(tag))},
		{name: "page, early flush", body: page, flush: true, more: -1},
		{name: "fragment", body: "<p>x", more: 0},
		{name: "fragment, shown", body: "<p>x", dest: "document", more: int64(len(tag))},
		{name: "nothing, shown", body: "", dest: "document", more: int64(len(tag))},
		{name: "by itself", body: tag + "x", dest: "document", more: 0},
		{name: "HEAD", body: page, method: "HEAD", more: -1},
		{name: "a page's script", body: page, dest: "empty", more: 0},
		{name: "a page's script, HEAD", body: page, dest: "empty", method: "HEAD", more: 0},
	} {
		srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", strconv.Itoa(len(test.body)))
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
			w.WriteHeader(200)
			if test.flush {
				w.(http.Flusher).Flush()
			}
			if r.Method != "HEAD" {
				io.WriteString(w, test.body)
			}
		})))
		if test.method == "" {
			test.method = "GET"
		}
		headers := []string{"Sec-Fetch-Dest: " + test.dest}
		res, body := askFor(t, test.method, srv.URL, headers[:min(1, len(test.dest))]...)
		want := test.more
		if want >= 0 {
			want += int64(len(test.body))
		}
		if res.ContentLength != want || test.method == "GET" && strings.Replace(body, tag, "", 1) != strings.Replace(test.body, tag, "", 1) {
			t.Errorf("%s: length %d, want %d; body of %d", test.name, res.ContentLength, want, len(body))
		}
		if changed := test.more != 0; changed != (res.Header.Get("Last-Modified") == "") || changed != (res.Header.Get("Accept-Ranges") == "") {
			t.Errorf("%s: got %v", test.name, res.Header)
		}
		if res.Header.Get("Vary") != "Sec-Fetch-Dest" {
			t.Errorf("%s: Vary %q", test.name, res.Header.Get("Vary"))
		}
	}
}

// A browser that has the page: it may keep it only if nothing was published since.
func TestInjectRevalidation(t *testing.T) {
	dir := t.TempDir()
	const page = "<!doctype html><head></head>"
	if err := os.WriteFile(filepath.Join(dir, "x.html"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	h := newHub(t, Options{})
	srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeFile(w, r, filepath.Join(dir, "x.html"))
	})))
	const navigation = "Sec-Fetch-Dest: document"
	first, body := askFor(t, "GET", srv.URL, navigation)
	tagged := first.Header.Get("ETag")
	if tagged != `W/"v1+boot-0"` || !strings.Contains(body, tag) || first.ContentLength != int64(len(page)+len(tag)) {
		t.Fatalf("got %s, %d: %q", tagged, first.ContentLength, body)
	}
	for _, test := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"again", []string{navigation, "If-None-Match: " + tagged}, 304},
		{"again, one of several", []string{navigation, `If-None-Match: "a", ` + tagged, `If-None-Match: "b"`}, 304},
		{"again, by curl", []string{"If-None-Match: " + tagged}, 304},
		{"a script's copy", []string{navigation, `If-None-Match: "v1"`}, 200},
		{"by date", []string{navigation, "If-Modified-Since: Mon, 02 Jan 2106 15:04:05 GMT"}, 200},
		{"a part", []string{navigation, "Range: bytes=0-3"}, 200},
		{"a part, by curl", []string{"Range: bytes=0-3"}, 206},
		{"a script's", []string{"Sec-Fetch-Dest: empty", `If-None-Match: "v1"`}, 304},
		{"a script asks with the page's", []string{"Sec-Fetch-Dest: empty", "If-None-Match: " + tagged}, 200},
	} {
		res, body := askFor(t, "GET", srv.URL, test.headers...)
		if res.StatusCode != test.want {
			t.Errorf("%s: got %s", test.name, res.Status)
		}
		if test.want == 304 && strings.HasPrefix(test.name, "again") && res.Header.Get("ETag") != tagged {
			t.Errorf("%s: tag %s", test.name, res.Header.Get("ETag"))
		}
		if test.want == 206 && (body != page[:4] || res.Header.Get("ETag") != `"v1"`) {
			t.Errorf("%s: %q, %v", test.name, body, res.Header)
		}
	}
	publish(t, h, built(1))
	for _, headers := range [][]string{{navigation, "If-None-Match: " + tagged}, {"If-None-Match: " + tagged}} {
		res, body := askFor(t, "GET", srv.URL, headers...)
		if res.StatusCode != 200 || !strings.Contains(body, "boot-1") || res.Header.Get("ETag") != `W/"v1+boot-1"` {
			t.Errorf("after an event: %s, %s", res.Status, body)
		}
	}
}

// A body that is shorter than its handler said ends as one that is cut off, though the length is not ours to tell.
func TestInjectShortBody(t *testing.T) {
	h := newHub(t, Options{})
	for name, write := range map[string]func(w http.ResponseWriter){
		"written":        func(w http.ResponseWriter) { io.WriteString(w, "<!doctype html><title>x") },
		"flushed early":  func(w http.ResponseWriter) { io.WriteString(w, "<!doctype html>"); w.(http.Flusher).Flush() },
		"flushed, found": func(w http.ResponseWriter) { w.(http.Flusher).Flush(); io.WriteString(w, "<p>x") },
		"copied": func(w http.ResponseWriter) {
			w.(http.Flusher).Flush()
			io.Copy(w, struct{ io.Reader }{strings.NewReader("<!doctype html><p>" + strings.Repeat("x", 50_000))})
		},
		"nothing": func(w http.ResponseWriter) {},
		"no HTML": func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/css"); io.WriteString(w, "x") },
	} {
		srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", "100000")
			write(w)
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

// echo answers errors after its middlewares have returned, by the writer that they were given.
func TestInjectLateAnswer(t *testing.T) {
	h := newHub(t, Options{})
	var writer http.ResponseWriter
	inner := h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { writer = w }))
	for _, test := range []struct{ contentType, body, want string }{
		{"text/html", "<!doctype html><title>no</title>", "<!doctype html>" + tag + "<title>no</title>"},
		{"text/html", "<!doctype html>|<title>|no", "<!doctype html>" + tag + "<title>no"},
		{"text/html", "", ""},
		{"application/json", "{}", "{}"},
		{"", "<!doctype html><title>no</title>", "<!doctype html><title>no</title>"},
	} {
		srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inner.ServeHTTP(w, r)
			if test.contentType != "" {
				writer.Header().Set("Content-Type", test.contentType)
			}
			writer.WriteHeader(404)
			if test.body == "" {
				return
			}
			for piece := range strings.SplitSeq(test.body, "|") {
				io.WriteString(writer, piece)
			}
		}))
		res, body := askFor(t, "GET", srv.URL)
		if res.StatusCode != 404 || body != test.want {
			t.Errorf("%q: got %s, %q", test.body, res.Status, body)
		}
	}
}

// What Guard says is said once, whatever the upstream of a proxy says.
func TestInjectBelowGuard(t *testing.T) {
	h := newHub(t, Options{})
	upstream := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		io.WriteString(w, "<!doctype html><title>x")
	}))
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(t, h.Guard(h.Inject(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})))
	for _, contentType := range []string{"text/html", "text/css"} {
		res, _ := askFor(t, "GET", srv.URL+"?type="+contentType)
		if got := fmt.Sprint(res.Header["Cross-Origin-Resource-Policy"], res.Header["X-Content-Type-Options"]); got != "[same-origin] [nosniff]" {
			t.Errorf("%s: got %s", contentType, got)
		}
	}
}

func TestInjectAsksForPlainBodies(t *testing.T) {
	h := newHub(t, Options{})
	var got string
	next := h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.Header.Get("Accept-Encoding") }))
	for _, test := range []struct {
		header string
		want   string
	}{
		{"Sec-Fetch-Dest: document", ""},
		{"Accept: text/html,application/xml;q=0.9", ""},
		{"Accept: */*", "gzip"},
		{"Sec-Fetch-Dest: style", "gzip"},
	} {
		r := request("GET", "/", test.header, "Accept-Encoding: gzip")
		get(next, r)
		if got != test.want || r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("%s: got %q; the caller's request has %q", test.header, got, r.Header.Get("Accept-Encoding"))
		}
	}
}

// Each flush brings everything before the client's place at once, and all after it.
func TestInjectStreams(t *testing.T) {
	h := newHub(t, Options{})
	steps := make(chan string)
	srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for s := range steps {
			io.WriteString(w, s)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
	})))
	go func() { steps <- "<!doctype html>" }()
	res, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for i, step := range []struct{ write, arrives string }{
		{"", "<!doctype html>"},
		{"<html><!-- a", "<html>"},
		{" --><head>\n", "<!-- a --><head>"},
		{"<meta chars", ""},
		{"et=utf-8> ", "\n<meta charset=utf-8>"},
		{"<ti", ""},
		{"tle>x", tag + " <title>x"},
		{"<head>", "<head>"},
	} {
		if i > 0 {
			steps <- step.write
		}
		got := make([]byte, len(step.arrives))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != step.arrives {
			t.Fatalf("after %q: got %q, want %q: %v", step.write, got, step.arrives, err)
		}
	}
	close(steps)
	if rest := bodyOf(t, res); rest != "" {
		t.Errorf("rest: %q", rest)
	}
}

func TestInjectHoldsLittle(t *testing.T) {
	h := newHub(t, Options{})
	space := strings.Repeat(" ", 1000)
	comments := strings.Repeat("<!-- "+space+"-->", 1000)
	for name, body := range map[string]string{"comments": "<!doctype html>" + comments + "<p>x", "one comment": "<!doctype html><!--" + comments,
		"behind the place": "<head><title>x</title>" + comments, "a long title": "<head><title>" + comments} {
		sent, most := 0, 0
		rec := httptest.NewRecorder()
		h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for chunk := range bytesIn(body, 100) {
				io.WriteString(w, chunk)
				sent += len(chunk)
				most = max(most, sent-rec.Body.Len())
			}
		})).ServeHTTP(rec, request("GET", "/"))
		if most > maxToken+2000 {
			t.Errorf("%s: %d bytes were held", name, most)
		}
		got := rec.Body.String()
		if strings.Replace(got, tag, "", 1) != body {
			t.Errorf("%s: the body is not what it was", name)
		}
		if !strings.Contains(got, tag) {
			t.Errorf("%s: no client", name)
		}
	}
}

// bytesIn yields s in pieces of n bytes.
func bytesIn(s string, n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(s) > 0 {
			piece := s[:min(n, len(s))]
			s = s[len(piece):]
			if !yield(piece) {
				return
			}
		}
	}
}

// Over HTTP/2 a page is injected, streamed and cut off as over HTTP/1.1.
func TestInjectHTTP2(t *testing.T) {
	h := newHub(t, Options{})
	srv := httptest.NewUnstartedServer(h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Trailer", "X-Sum")
		if r.URL.Path == "/encoded" {
			w.Header().Set("Content-Encoding", "zstd")
			w.Write(encoded("zstd", "<!doctype html><p>x"))
		} else {
			w.Header().Set("Content-Length", "19")
			io.WriteString(w, "<!doctype html>")
			w.(http.Flusher).Flush()
			if r.URL.Path == "/short" {
				return
			}
			io.WriteString(w, "<p>x")
		}
		w.Header().Set("X-Sum", "1")
	})))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	for path, want := range map[string]string{"/": "<!doctype html>" + tag + "<p>x", "/encoded": "<!doctype html>" + tag + "<p>x", "/short": ""} {
		res, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if want == "" {
			if err == nil {
				t.Errorf("%s: the answer looks whole: %q", path, body)
			}
		} else if err != nil || string(body) != want || res.ProtoMajor != 2 || res.Trailer.Get("X-Sum") != "1" {
			t.Errorf("%s: %s, trailer %v, %q: %v", path, res.Proto, res.Trailer, body, err)
		}
	}
}

func TestInjectKeepsTrailers(t *testing.T) {
	h := newHub(t, Options{})
	srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(201)
		w.Header().Set("X-Late", "ignored, as ever")
		io.WriteString(w, "<!doctype html>")
		w.Header().Set("X-Sum", "1")
		w.Header().Set(http.TrailerPrefix+"X-More", "2")
	})))
	res, body := askFor(t, "GET", srv.URL)
	if body != "<!doctype html>"+tag || res.StatusCode != 201 || res.Trailer.Get("X-Sum") != "1" || res.Header.Get("X-Sum") != "" || res.Header.Get("X-Late") != "" {
		t.Errorf("got %s, header %v, trailer %v, body %q", res.Status, res.Header, res.Trailer, body)
	}
}

func TestInjectPassesInformationOn(t *testing.T) {
	h := newHub(t, Options{})
	srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.Header().Set("Devserve-Page", "/a.html")
		w.WriteHeader(http.StatusEarlyHints)
		htmlOf("<head>")(w, r)
		w.WriteHeader(500) // one too many, and ignored
	})))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	tag := strings.Replace(tag, "></", ` data-page="/a.html"></`, 1)
	if got := string(all); !strings.HasPrefix(got, "HTTP/1.1 103 Early Hints\r\nLink: ") || !strings.Contains(got, "\r\nHTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "<head>"+tag) || strings.Contains(got, "Devserve") {
		t.Errorf("got %q", got)
	}
}

func TestInjectHijack(t *testing.T) {
	h := newHub(t, Options{})
	srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
		rw.Flush()
		conn.Close()
	})))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "HTTP/1.1 101 Switching Protocols\r\n\r\nhello" {
		t.Errorf("got %q, %v", got, err)
	}
	rec := httptest.NewRecorder()
	h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, err := w.(http.Hijacker).Hijack(); err == nil {
			t.Error("a recorder was hijacked")
		}
		htmlOf("<head>")(w, r)
	})).ServeHTTP(rec, request("GET", "/"))
	if got := rec.Body.String(); got != "<head>"+tag {
		t.Errorf("after a failed hijack: %q", got)
	}
}

// A handler that panics ends as it would alone: no answer, or one that is visibly cut off.
func TestInjectPanic(t *testing.T) {
	h := newHub(t, Options{})
	for name, before := range map[string]func(w http.ResponseWriter){
		"before anything":  func(w http.ResponseWriter) {},
		"before the place": func(w http.ResponseWriter) { io.WriteString(w, "<!doctype html>") },
		"after it": func(w http.ResponseWriter) {
			io.WriteString(w, "<head><title>")
			w.(http.Flusher).Flush()
		},
	} {
		srv := serve(t, h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			before(w)
			panic(http.ErrAbortHandler)
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
	// A middleware around it can still answer, as nothing has been sent.
	rec := httptest.NewRecorder()
	http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "sorry", 500)
			}
		}()
		h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			htmlOf("<!doctype html>")(w, r)
			panic("x")
		})).ServeHTTP(w, r)
	}).ServeHTTP(rec, request("GET", "/"))
	if rec.Code != 500 || rec.Body.String() != "sorry\n" {
		t.Errorf("got %d %q", rec.Code, rec.Body)
	}
}

// fastWriter notes what came by its ReadFrom.
type fastWriter struct {
	*httptest.ResponseRecorder
	fast int64
}

func (w *fastWriter) ReadFrom(src io.Reader) (int64, error) {
	n, err := w.Body.ReadFrom(src)
	w.fast += n
	return n, err
}

func TestInjectKeepsSendfile(t *testing.T) {
	h := newHub(t, Options{})
	body := "<head>" + strings.Repeat("x", 100_000)
	for contentType, want := range map[string]int64{"text/plain": int64(len(body)), "text/html": int64(len(body)) - 4096, "": int64(len(body)) - 4096} {
		for _, explicit := range []bool{true, false} {
			w := &fastWriter{ResponseRecorder: httptest.NewRecorder()}
			h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if contentType != "" {
					w.Header().Set("Content-Type", contentType)
				}
				if explicit {
					w.WriteHeader(200)
				}
				// Without its WriteTo the reader is like a file.
				n, err := io.Copy(w, struct{ io.Reader }{strings.NewReader(body)})
				if n != int64(len(body)) || err != nil {
					t.Errorf("copied %d: %v", n, err)
				}
			})).ServeHTTP(w, request("GET", "/", "Sec-Fetch-Dest: document"))
			if w.fast != want {
				t.Errorf("%q: %d of %d bytes came fast", contentType, w.fast, want)
			}
			if got := strings.Replace(w.Body.String(), tag, "", 1); got != body {
				t.Errorf("%q: the body is not what it was: %.100q", contentType, got)
			}
		}
	}
}

func TestInjectReadFromFails(t *testing.T) {
	h := newHub(t, Options{})
	broken := io.MultiReader(strings.NewReader("<he"), iotestErr{})
	rec := httptest.NewRecorder()
	h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if n, err := w.(io.ReaderFrom).ReadFrom(broken); n != 3 || err != io.ErrUnexpectedEOF {
			t.Errorf("got %d, %v", n, err)
		}
	})).ServeHTTP(rec, request("GET", "/"))
	if got := rec.Body.String(); got != "<he" {
		t.Errorf("got %q", got)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Two of them, as when a site's middleware is put around a handler that has one.
func TestInjectTwice(t *testing.T) {
	h := newHub(t, Options{})
	for _, html := range []string{"<!doctype html><head><title>", "<!doctype html><head><meta charset=utf-8><title>", "<p>x"} {
		res := get(h.Inject(h.Inject(htmlOf(html))), request("GET", "/", "Sec-Fetch-Dest: document"))
		if got := bodyOf(t, res); strings.Count(got, "<script") != 1 {
			t.Errorf("%q", got)
		}
	}
}

func TestInjectWriteDoesNotTouchTheCallersBytes(t *testing.T) {
	h := newHub(t, Options{})
	rec := httptest.NewRecorder()
	h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		buf := make([]byte, 8, 64)
		for _, piece := range []string{"<!doctyp", "e html><", "head   >", "<title>x"} {
			copy(buf, piece)
			w.Write(buf)
			if string(buf) != piece {
				t.Errorf("%q became %q", piece, buf)
			}
			copy(buf, "########")
		}
	})).ServeHTTP(rec, request("GET", "/"))
	if got, want := rec.Body.String(), "<!doctype html><head   >"+tag+"<title>x"; got != want {
		t.Errorf("got %q", got)
	}
}

// FuzzInject: whatever the body, however it comes and is encoded, what arrives is the body with at
// most one script in it; and the place depends on neither the pieces nor the encoding.
func FuzzInject(f *testing.F) {
	for _, seed := range []string{
		"<!doctype html><html><head><meta charset=utf-8><title>x</title></head><body>y</body></html>",
		"<!-- <head> --><head a='>'>\n<!-->", "<p>x", "<", "<!", "</", "\ufeff<html>", "\xff\xfe<", "<?xml?><html>", "<head/><base>",
		"<script><!--<script></script>--></script><head>", "<head", "<!DOCTYPE", "<head><meta http-equiv=content-type", "<title><head>", "</>", "<plaintext><head>", "<!doctype html><![CDATA[<head>]]>",
		"<head><meta charset=x><title><meta></title><link><meta http-equiv=Content-Security-Policy content=\"script-src 'nonce-a'\"><base>", "<title></head></title/><meta>", "<head><meta x><!-- ", "<meta x>a<",
	} {
		f.Add([]byte(seed), uint64(0x9249), true, "")
		f.Add([]byte(seed), uint64(1), false, "gzip")
		f.Add([]byte(seed), uint64(0), true, "br")
		f.Add([]byte(seed), uint64(7), false, "zstd")
	}
	h := newHub(f, Options{})
	f.Fuzz(func(t *testing.T, body []byte, cuts uint64, navigation bool, coding string) {
		if bytes.Contains(body, []byte("client.js")) {
			return // such bodies have their own tests
		}
		r := request("GET", "/")
		if navigation {
			r.Header.Set("Sec-Fetch-Dest", "document")
		}
		// run returns what arrives without the script, and where that is, or -1.
		run := func(coding string, flush bool, pieces ...[]byte) (string, int) {
			rec := httptest.NewRecorder()
			h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				var out io.Writer = w
				var e encoder
				if open, ok := encoders[coding]; ok {
					w.Header().Set("Content-Encoding", coding)
					e = open(w)
					out = e
				} else {
					w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				}
				for _, p := range pieces {
					if n, err := out.Write(p); n != len(p) || err != nil {
						t.Fatalf("wrote %d of %d: %v", n, len(p), err)
					}
					if flush {
						if e != nil {
							e.Flush()
						}
						w.(http.Flusher).Flush()
					}
				}
				if e != nil {
					e.Close()
				}
			})).ServeHTTP(rec, r)
			got := rec.Body.String()
			if length := rec.Result().Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(got)) {
				t.Errorf("length %s, body of %d", length, len(got))
			}
			all := clientTag.FindAllStringIndex(got, -1)
			switch len(all) {
			case 0:
				return got, -1
			case 1:
				return got[:all[0][0]] + got[all[0][1]:], all[0][0]
			}
			t.Fatalf("%q became %q", body, got)
			return "", 0
		}
		rest, place := run("", false, body)
		if rest != string(body) {
			t.Fatalf("%q became %q", body, rest)
		}
		var pieces [][]byte
		for i, rest := 0, body; len(rest) > 0; i++ {
			n := min(len(rest), 1+int(cuts>>(i*3%63)&7))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		for _, coding := range []string{"", coding} {
			for _, flush := range []bool{false, true} {
				if got, at := run(coding, flush, pieces...); got != string(body) || at != place {
					t.Errorf("%s, flush %v: in pieces %q, at %d; whole %q, at %d", coding, flush, got, at, body, place)
				}
			}
		}
	})
}

var clientTag = regexp.MustCompile(`<script src="/_devserve/client\.js"[^>]*></script>`)

// What Inject adds to a handler: to each request, in memory, and to each megabyte.
func BenchmarkInject(b *testing.B) {
	h := newHub(b, Options{})
	page := "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<title>x</title>\n</head>\n<body>" + strings.Repeat("<p>Lorem ipsum dolor sit amet</p>\n", 1000)
	script := strings.Repeat("exports.answer = 42;\n", 2000)
	for _, bench := range []struct{ name, contentType, coding, body string }{
		{"page", "text/html", "", page},
		{"script", "text/javascript", "", script},
		{"gzip", "text/html", "gzip", page},
		{"br", "text/html", "br", page},
		{"zstd", "text/html", "zstd", page},
	} {
		body := []byte(bench.body)
		if bench.coding != "" {
			body = encoded(bench.coding, bench.body)
		}
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", bench.contentType)
			if bench.coding != "" {
				w.Header().Set("Content-Encoding", bench.coding)
			}
			w.Write(body)
		})
		for _, way := range []struct {
			name    string
			handler http.Handler
		}{{"bare", next}, {"injected", h.Inject(next)}} {
			b.Run(bench.name+"/"+way.name, func(b *testing.B) {
				r := request("GET", "/", "Sec-Fetch-Dest: document")
				w := &discard{header: http.Header{}}
				b.SetBytes(int64(len(bench.body)))
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					way.handler.ServeHTTP(w, r)
				}
			})
		}
	}
}

// A megabyte of HTML over loopback, flushed in pieces of 16 KB, and when its first byte comes.
func BenchmarkInjectStream(b *testing.B) {
	h := newHub(b, Options{})
	const pieces = 64
	head := []byte("<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<title>x</title>\n</head>\n<body>")
	piece := []byte(strings.Repeat("<p>Lorem ipsum dolor sit amet</p>\n", 16<<10/34))
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write(head)
		for range pieces {
			w.Write(piece)
			w.(http.Flusher).Flush()
		}
	})
	for _, way := range []struct {
		name    string
		handler http.Handler
	}{{"bare", next}, {"injected", h.Inject(next)}} {
		b.Run(way.name, func(b *testing.B) {
			srv := httptest.NewServer(way.handler)
			defer srv.Close()
			r, err := http.NewRequest("GET", srv.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Sec-Fetch-Dest", "document")
			r.Header.Set("Accept-Encoding", "identity")
			b.SetBytes(int64(pieces * len(piece)))
			first, one := time.Duration(0), make([]byte, 1)
			for b.Loop() {
				began := time.Now()
				res, err := srv.Client().Do(r)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := res.Body.Read(one); err != nil {
					b.Fatal(err)
				}
				first += time.Since(began)
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			b.ReportMetric(float64(first.Nanoseconds())/float64(b.N), "ns-to-first-byte")
		})
	}
}

type discard struct{ header http.Header }

func (w *discard) Header() http.Header         { return w.header }
func (w *discard) WriteHeader(int)             {}
func (w *discard) Write(b []byte) (int, error) { return len(b), nil }

var (
	_ http.Flusher  = (*injector)(nil)
	_ http.Hijacker = (*injector)(nil)
	_ io.ReaderFrom = (*injector)(nil)
)
