package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// An upstream is another server that answers in our place: that of a proxy rule, or the backend. What it says passes
// unchanged and as it comes, in both directions; only complete HTML documents get the client, as
// all that goes through reload's Inject does.
//
// The request is the browser's, without what concerns only its connection to us, with new X-Forwarded-For, -Host and -Proto.
// Origin stays as it is. Host stays too if the upstream is on this machine (localhost, a loopback address, a
// socket): frameworks compare it with Origin before they open a WebSocket or take a form, and build redirects of
// it. Elsewhere it is the upstream's own, which chooses among the sites there; redirects to it are made to lead
// back here.
type upstream struct {
	address string   // as given
	target  *url.URL // http:// or https://
	local   bool
	base    string // of our own endpoints
	hop     string // this devserve, to find a way that leads back to it
	proxy   httputil.ReverseProxy
	plain   *http.Transport // HTTP/1.1, HTTP/2 over TLS if both sides speak it
	h2c     *http.Transport // HTTP/2 without TLS; nil unless asked for
	log     *slog.Logger
	closing context.Context // of the Server
	down    atomic.Bool     // and people were told
	hold    *hold           // nil if no command of ours is behind it
}

// A route is one proxy rule.
type route struct {
	path string // "/api" is itself and all below; "" is everything
	to   *upstream
}

const (
	// answerTimeout is how long an upstream may take to begin an answer once it has the whole request. It is longer than
	// long polls take; who stops longer in a debugger is shown a page that waits.
	answerTimeout = 2 * time.Minute

	// dialTimeout is for hosts that say nothing at all. One that is not there says so at once.
	dialTimeout = 10 * time.Second
)

// newUpstreams makes those of s.o, the rules with the longest path first.
func (s *Server) newUpstreams() (err error) {
	if s.o.Backend != "" {
		if s.backend, err = s.newUpstream(s.o.Backend); err != nil {
			return fmt.Errorf("server: backend: %w", err)
		}
	}
	for _, prefix := range slices.Sorted(maps.Keys(s.o.Proxy)) {
		clean := strings.TrimSuffix(prefix, "/")
		if !strings.HasPrefix(prefix, "/") || clean != "" && path.Clean(clean) != clean || clean == "/" || strings.ContainsAny(prefix, "?#*") {
			return fmt.Errorf(`server: bad proxy path %q: give the beginning of a URL's path, as "/api"`, prefix)
		}
		if slices.ContainsFunc(s.routes, func(r route) bool { return r.path == clean }) {
			return fmt.Errorf("server: proxy paths %q and %q are one: leave one out", clean, prefix)
		}
		to, err := s.newUpstream(s.o.Proxy[prefix])
		if err != nil {
			return fmt.Errorf("server: proxy %s: %w", prefix, err)
		}
		s.routes = append(s.routes, route{clean, to})
	}
	slices.SortStableFunc(s.routes, func(a, b route) int { return len(b.path) - len(a.path) })
	return nil
}

// upstream returns the one that a rule gives for a URL path, or nil.
func (s *Server) upstream(p string) *upstream {
	for _, r := range s.routes {
		if rest, ok := strings.CutPrefix(p, r.path); ok && (rest == "" || rest[0] == '/') {
			return r.to
		}
	}
	return nil
}

// newUpstream reads an address: http://, https:// or h2c:// with a host, or unix: with the path of a socket.
func (s *Server) newUpstream(address string) (*upstream, error) {
	const cure = "give http://host:port, https://host, h2c://host:port (HTTP/2 without TLS) or unix:/path/to/socket"
	u := &upstream{address: address, base: s.base, hop: s.hop, log: s.log, closing: s.closing}
	target, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("bad address %q: %s", address, cure)
	}
	var socket string
	switch target.Scheme {
	case "http", "https", "h2c":
		_, err := strconv.ParseUint(cmp.Or(target.Port(), "0"), 10, 16)
		if target.Hostname() == "" || err != nil {
			return nil, fmt.Errorf("bad address %q: %s", address, cure)
		}
		u.local = isLoopback(target.Hostname())
	case "unix":
		if socket, err = url.PathUnescape(strings.TrimPrefix(address, "unix:")); err != nil || socket == "" {
			return nil, fmt.Errorf("bad address %q: %s", address, cure)
		}
		target, u.local = &url.URL{Scheme: "http", Host: "localhost"}, true
	default:
		return nil, fmt.Errorf("bad address %q: %s", address, cure)
	}
	if target.User != nil || target.RawQuery != "" || target.Fragment != "" {
		return nil, fmt.Errorf("bad address %q: leave out user, query and fragment", address)
	}

	u.plain = transport(socket)
	if u.local {
		// Nobody is in between, and the certificates of a development server are its own.
		u.plain.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	if target.Scheme == "h2c" {
		target.Scheme = "http"
		u.h2c = transport(socket)
		u.h2c.Protocols = new(http.Protocols)
		u.h2c.Protocols.SetUnencryptedHTTP2(true)
	}
	u.target = target
	if u.local && s.commands != nil {
		u.hold = s.commands.hold
	}
	u.proxy = httputil.ReverseProxy{
		Transport:     u,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Header.Add(hopHeader, u.hop)
			r.Out.URL.RawQuery = r.In.URL.RawQuery // also what Go cannot parse
			r.Out.Trailer = r.In.Trailer           // which is filled when the body has been read
			r.SetURL(target)
			for name := range r.Out.Header {
				if name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
					delete(r.Out.Header, name) // or what a page says would be believed beside what we say
				}
			}
			r.SetXForwarded()
			if strings.EqualFold(r.Out.Header.Get("Upgrade"), "h2c") {
				// Requests in it would reach all of the upstream, whatever the rule says.
				r.Out.Header.Del("Upgrade")
				r.Out.Header.Del("Connection")
				r.Out.Header.Del("Http2-Settings")
			}
			if u.local {
				r.Out.Host = r.In.Host
			}
		},
	}
	return u, nil
}

func transport(socket string) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment, // never for this machine
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // or bodies would not pass unchanged
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   dialTimeout,
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: answerTimeout,
	}
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return t
}

// isLoopback reports whether a name or address is this machine and no other.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// ServeHTTP has the upstream answer r. It ends what it does when the Server is closed, streams and WebSockets too.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if hasDots(r.URL.Path) {
		fail(w, r, errDots)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(u.closing, cancel)()
	if slices.Contains(r.Header[hopHeader], u.hop) {
		fail(w, r, errLoop)
		return
	}
	if u.hold != nil {
		leave, err := u.hold.enter(ctx)
		if err != nil {
			u.failed(w, r.WithContext(ctx), err)
			return
		}
		defer leave()
		ctx = context.WithValue(ctx, leaveKey{}, leave)
	}
	// Or Go would read all of a request before it passes on an answer that has begun. Not all writers can.
	http.NewResponseController(w).EnableFullDuplex()
	said := slices.DeleteFunc(slices.Collect(maps.Keys(w.Header())), func(name string) bool { return name == "Vary" })
	proxy := u.proxy
	proxy.ModifyResponse = func(r *http.Response) error {
		for _, name := range said {
			r.Header.Del(name) // Guard's word counts, and browsers heed none that is said twice
		}
		return u.answered(r)
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) { u.failed(w, r.WithContext(ctx), err) }
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// leaveKey is that of the function to call in the context of a request that was held.
type leaveKey struct{}

// hasDots reports whether a path has segments that lead elsewhere, also for servers that take a backslash for a slash, or
// cut off what follows a semicolon: browsers send none.
func hasDots(p string) bool {
	slash := func(r rune) bool { return r == '/' || r == '\\' }
	return slices.ContainsFunc(strings.FieldsFunc(p, slash), func(seg string) bool {
		seg, _, _ = strings.Cut(seg, ";")
		return seg == "." || seg == ".."
	})
}

// hopHeader has one word for each devserve that a request has passed.
const hopHeader = "Devserve-Hop"

var errLoop = &refusal{http.StatusLoopDetected, "the address of the backend, or of a proxy rule, leads back to devserve itself"}

var errDots = &refusal{http.StatusBadRequest, `"." or ".." in the path`}

// RoundTrip asks, again and again while a program of ours does not listen yet: nothing has been sent to it then.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if u.hold == nil {
		return u.ask(r)
	}
	if r.Body != nil && r.Body != http.NoBody {
		again := *r                       // the same trailers, which come with the body
		again.Body = io.NopCloser(r.Body) // who asks in vain closes it; the caller does anyway
		r = &again
	}
	for began := time.Now(); ; {
		res, err := u.ask(r)
		if err == nil || !isDial(err) || !u.hold.again(r.Context(), began) {
			return res, err
		}
	}
}

// isDial reports whether nothing has accepted a connection.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// ask asks by HTTP/2 without TLS if that is wanted. A connection that is to become a WebSocket begins as HTTP/1.1.
func (u *upstream) ask(r *http.Request) (*http.Response, error) {
	if u.h2c != nil && r.Header.Get("Upgrade") == "" {
		return u.h2c.RoundTrip(r)
	}
	return u.plain.RoundTrip(r)
}

// answered is told of each answer before it is passed on.
func (u *upstream) answered(r *http.Response) error {
	if leave, ok := r.Request.Context().Value(leaveKey{}).(func()); ok && goesOn(r) {
		leave()
	}
	if u.down.Swap(false) && u.hold == nil {
		u.log.Warn(u.address + " answers again")
	}
	if len(r.Trailer) > 0 {
		r.Header.Del("Content-Length") // HTTP/2 has both, HTTP/1.1 trailers only behind chunks
	}
	if !u.local {
		if to, ok := strings.CutPrefix(r.Header.Get("Location"), u.target.Scheme+"://"+u.target.Host+"/"); ok {
			r.Header.Set("Location", "/"+strings.TrimLeft(to, "/"))
		}
	}
	return nil
}

// goesOn reports whether an answer is one that does not end by itself.
func goesOn(r *http.Response) bool {
	return r.StatusCode == http.StatusSwitchingProtocols || strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream")
}

// failed answers in the upstream's place: 502 if it is not there or breaks off, 504 if it does not begin an answer, 503 if
// it was waited for in vain.
func (u *upstream) failed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil || u.closing.Err() != nil {
		w.WriteHeader(http.StatusBadGateway) // nobody reads this
		return
	}
	outage := u.outage(err)
	if !u.down.Swap(true) && u.hold == nil {
		u.log.Warn(outage.Text + ": start it; pages that need it wait for it")
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if outage.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	if !looksAt(r) {
		header.Set("Content-Type", "application/json")
		w.WriteHeader(outage.status)
		json.NewEncoder(w).Encode(map[string]string{"error": outage.Text, "upstream": u.address}) // an error means that the reader is gone
		return
	}
	u.wait(w, r, outage)
}

// An outage is why an upstream does not answer.
type outage struct {
	status int
	Text   string // for people, without its full stop
	There  bool   // something accepts connections
}

func (u *upstream) outage(err error) outage {
	o := outage{status: http.StatusBadGateway, There: true}
	var timeout net.Error
	var held heldError
	switch {
	case errors.As(err, &held):
		o.status = http.StatusServiceUnavailable
		o.Text = held.Error()
	case isDial(err):
		o.There = false
		o.Text = u.address + " does not answer"
		if sys, ok := errors.AsType[syscall.Errno](err); ok {
			o.Text += ": " + sys.Error()
		} else if dns, ok := errors.AsType[*net.DNSError](err); ok {
			o.Text += ": " + dns.Err
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		o.status = http.StatusGatewayTimeout
		o.Text = fmt.Sprintf("%s takes connections, but has not begun to answer for %v", u.address, answerTimeout)
	default:
		o.Text = fmt.Sprintf("%s broke off: %v", u.address, err)
	}
	return o
}

func (s *Server) idle() {
	for _, r := range s.routes {
		r.to.idle()
	}
	if s.backend != nil {
		s.backend.idle()
	}
}

// idle closes connections that wait for a next request.
func (u *upstream) idle() {
	u.plain.CloseIdleConnections()
	if u.h2c != nil {
		u.h2c.CloseIdleConnections()
	}
}
