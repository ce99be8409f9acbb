package reload

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuardHost(t *testing.T) {
	h := newHub(t, Options{AllowHosts: []string{"Dev.Test.", ".example.com", "10.1.2.3", "fd00::1", "[fd00::2]"}})
	guarded := h.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	local := &net.TCPAddr{IP: net.IPv4(192, 168, 1, 5), Port: 3000}
	for host, want := range map[string]int{
		"localhost": 200, "localhost:3000": 200, "LocalHost:1": 200, "localhost.": 200, "localhost.:80": 200, "app.localhost": 200, "a.b.localhost:3000": 200, "localhost:": 200,
		"127.0.0.1": 200, "127.0.0.1:3000": 200, "127.255.0.9": 200, "[::1]": 200, "[::1]:3000": 200, "[::ffff:127.0.0.1]": 200,
		"192.168.1.5:3000": 200, "[::ffff:192.168.1.5]": 200, // where the connection came to
		"dev.test": 200, "DEV.test.:8": 200, "example.com": 200, "a.example.com": 200, "b.a.example.com:1": 200,
		"10.1.2.3": 200, "[fd00::1]:9": 200, "[fd00:0::2]": 200,

		"a.dev.test": 403, "notexample.com": 403, "example.com.evil": 403, "evil.test": 403, "localhost.evil.test": 403, "notlocalhost": 403,
		"192.168.1.6": 403, "0.0.0.0": 403, "[::]": 403, "127.1": 403, "2130706433": 403, "0x7f000001": 403, "128.0.0.1": 403,

		"": 400, ":3000": 400, "localhost:http": 400, "localhost:123456": 400, "localhost:-1": 400, "::1": 400, "[::1": 400, "[::1]x": 400, "[localhost]": 400, "[127.0.0.1]": 400,
		"a b": 400, "localhost/": 400, "localhost@evil.test": 400, "localhost:80:80": 400, "localhost#": 400, "evil.test,localhost": 400, "..": 400, ".localhost": 400, "a..localhost": 400, "localhost..": 400,
		"localhost\x00": 400, "lоcalhost": 400, strings.Repeat("a.", 130) + "localhost": 400, strings.Repeat("a", 64) + ".localhost": 400,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(local)))
		res := get(guarded, r)
		body := bodyOf(t, res)
		if res.StatusCode != want {
			t.Errorf("%q: got %d, want %d", host, res.StatusCode, want)
		}
		if want == 403 && !strings.Contains(body, "--allow-host") {
			t.Errorf("%q: no word of the cure: %s", host, body)
		}
		if ct := res.Header.Get("Content-Type"); want != 200 && ct != "text/plain; charset=utf-8" {
			t.Errorf("%q: answered as %s", host, ct)
		}
		if res.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: got %v", host, res.Header)
		}
	}
}

func TestGuardOrigin(t *testing.T) {
	h := newHub(t, Options{})
	guarded := h.Guard(http.NotFoundHandler()) // 404: let through
	const navigation = "Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: document"
	for _, test := range []struct {
		headers    string // separated by |
		page, own  int    // status of a page, and of an endpoint
		method     string
		tls        bool
		host, name string
	}{
		{name: "no browser", page: 404, own: 404},
		{name: "own", headers: "Origin: http://localhost:3000|Sec-Fetch-Site: same-origin", page: 404, own: 404},
		{name: "typed in", headers: "Sec-Fetch-Site: none|" + navigation, page: 404, own: 404},
		{name: "a link elsewhere", headers: "Sec-Fetch-Site: cross-site|" + navigation, page: 404, own: 403},
		{name: "a link next door", headers: "Sec-Fetch-Site: same-site|" + navigation, page: 404, own: 403},
		{name: "a form elsewhere", method: "POST", headers: "Sec-Fetch-Site: cross-site|" + navigation, page: 403, own: 403},
		{name: "a frame elsewhere", headers: "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: navigate|Sec-Fetch-Dest: iframe", page: 403, own: 403},
		{name: "a script elsewhere", headers: "Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: no-cors|Sec-Fetch-Dest: script", page: 403, own: 403},
		{name: "another port", headers: "Sec-Fetch-Site: same-site|Sec-Fetch-Mode: cors|Sec-Fetch-Dest: empty", page: 403, own: 403},
		{name: "unknown site", headers: "Sec-Fetch-Site: weird", page: 403, own: 403},
		{name: "two sites", headers: "Sec-Fetch-Site: same-origin|Sec-Fetch-Site: cross-site", page: 403, own: 403},
		{name: "foreign", headers: "Origin: https://evil.test", page: 403, own: 403},
		{name: "foreign, though a link", headers: "Origin: https://evil.test|Sec-Fetch-Site: cross-site|" + navigation, page: 403, own: 403},
		{name: "null", headers: "Origin: null", page: 403, own: 403},
		{name: "empty", headers: "Origin: ", page: 403, own: 403},
		{name: "other port", headers: "Origin: http://localhost:3001", page: 403, own: 403},
		{name: "other scheme", headers: "Origin: https://localhost:3000", page: 403, own: 403},
		{name: "other name", headers: "Origin: http://127.0.0.1:3000", page: 403, own: 403},
		{name: "with a path", headers: "Origin: http://localhost:3000/", page: 403, own: 403},
		{name: "with a user", headers: "Origin: http://a@localhost:3000", page: 403, own: 403},
		{name: "two", headers: "Origin: http://localhost:3000|Origin: http://evil.test", page: 403, own: 403},
		{name: "default port", host: "LOCALHOST:80", headers: "Origin: http://localhost", page: 404, own: 404},
		{name: "default port of TLS", tls: true, host: "localhost", headers: "Origin: https://localhost:443", page: 404, own: 404},
		{name: "TLS", tls: true, headers: "Origin: https://localhost:3000", page: 404, own: 404},
		{name: "plain page to TLS", tls: true, headers: "Origin: http://localhost:3000", page: 403, own: 403},
		{name: "a forwarded host says nothing", headers: "X-Forwarded-Host: evil.test|Origin: http://evil.test", page: 403, own: 403},
	} {
		for path, want := range map[string]int{"/": test.page, "/_devserve/nothing": test.own} {
			r := request("GET", path)
			if test.method != "" {
				r.Method = test.method
			}
			if test.host != "" {
				r.Host = test.host
			}
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			for line := range strings.SplitSeq(test.headers, "|") {
				if name, value, ok := strings.Cut(line, ": "); ok {
					r.Header.Add(name, value)
				}
			}
			handler := guarded
			if path != "/" {
				handler = h // guards itself
			}
			if res := get(handler, r); res.StatusCode != want {
				t.Errorf("%s: %s: got %d, want %d", test.name, path, res.StatusCode, want)
			}
		}
	}
}

// What only a connection can say: a Host twice, in the target, or not at all.
func TestGuardOnTheWire(t *testing.T) {
	h := newHub(t, Options{})
	srv := httptest.NewServer(h.Guard(http.NotFoundHandler()))
	defer srv.Close()
	for request, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n":                                404,
		"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n":             400,
		"GET / HTTP/1.1\r\n\r\n":                                                   400,
		"GET / HTTP/1.0\r\n\r\n":                                                   400,
		"GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n":                400,
		"GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\n\r\n":                400,
		"GET / HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: localhost\r\n\r\n": 403,
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, request)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want {
			t.Errorf("%q: got %d, want %d", request, res.StatusCode, want)
		}
		conn.Close()
	}
}

func TestAllowHostsAreNames(t *testing.T) {
	for _, name := range []string{"", ".", "http://a.test", "a.test:80", "a.test/", "*.a.test", "*", "a b", "..a", "[::1]:80"} {
		if _, err := New(Options{AllowHosts: []string{name}}); err == nil || !strings.Contains(err.Error(), "AllowHosts") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzGuard(f *testing.F) {
	f.Add("localhost:3000", "http://localhost:3000")
	f.Add("[::1%25lo]:3000", "http://[::1%25lo]:3000")
	f.Add("evil.test", "null")
	f.Add("a.localhost.", "://")
	f.Fuzz(func(t *testing.T, host, origin string) {
		h := newHub(t, Options{AllowHosts: []string{".dev.test"}})
		reached := false
		r := request("GET", "/")
		r.Host = host
		r.Header.Set("Origin", origin)
		get(h.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })), r)
		if !reached {
			return
		}
		name, ok := hostName(host)
		if ip := net.ParseIP(name); !ok || !(ip.IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost") || name == "dev.test" || strings.HasSuffix(name, ".dev.test")) {
			t.Errorf("%q got through", host)
		}
		if !strings.HasPrefix(origin, "http://") || strings.ContainsAny(origin[len("http://"):], "/@? ") {
			t.Errorf("origin %q got through", origin)
		}
	})
}

// Pages of an allowed origin may ask and read; what they may not is asked of the browser first.
func TestAllowOrigins(t *testing.T) {
	h := newHub(t, Options{AllowOrigins: []string{"https://app.example.com", "http://localhost:5173"}})
	guarded := h.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, test := range []struct {
		method, headers string
		want            int
		allows          string
	}{
		{"GET", "Origin: https://app.example.com|Sec-Fetch-Site: cross-site", 418, "https://app.example.com"},
		{"POST", "Origin: http://localhost:5173|Sec-Fetch-Site: same-site", 418, "http://localhost:5173"},
		{"OPTIONS", "Origin: https://app.example.com|Access-Control-Request-Method: PUT|Access-Control-Request-Headers: x-a", 204, "https://app.example.com"},
		{"OPTIONS", "Origin: https://app.example.com", 418, "https://app.example.com"},
		{"GET", "Origin: https://app.example.com.evil.test", 403, ""},
		{"GET", "Origin: http://app.example.com", 403, ""},
		{"GET", "Origin: null", 403, ""},
		{"GET", "Origin: https://app.example.com|Origin: https://app.example.com", 403, ""},
		{"GET", "Sec-Fetch-Site: cross-site", 403, ""},
		{"OPTIONS", "Origin: http://evil.test|Access-Control-Request-Method: PUT", 403, ""},
	} {
		res := get(guarded, request(test.method, "/a.js", strings.Split(test.headers, "|")...))
		if got := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != test.want || got != test.allows {
			t.Errorf("%s %s: got %s, allowed %q", test.method, test.headers, res.Status, got)
		}
		policy := "same-origin"
		if test.allows != "" {
			policy = "cross-origin"
		}
		if got := res.Header.Get("Cross-Origin-Resource-Policy"); got != policy {
			t.Errorf("%s %s: policy %s", test.method, test.headers, got)
		}
	}
	for _, bad := range []string{"*", "app.example.com", "https://app.example.com/", "https://App.example.com", "file://x", "null", "https://user@example.com"} {
		if _, err := New(Options{AllowOrigins: []string{bad}}); err == nil || !strings.Contains(err.Error(), "is not an origin") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
