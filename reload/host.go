package reload

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/devserve/devserve/internal/wrap"
)

// Any page a person has open can make their browser send requests to a server on
// this machine, and a name of that page's site can be pointed at this machine (DNS
// rebinding), which makes the answer readable to it. So a request must come under a name
// that nobody else can own, and, where the browser says from which page, from our own.
// Where it says nothing (Fetch Metadata is not sent to every address over plain http),
// Cross-Origin-Resource-Policy keeps the answer out of other sites' pages.
//
// https://www.w3.org/TR/fetch-metadata/ and https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header

// Guard wraps next so that it is reached only under an allowed Host and not from
// another site, save by a link that leads there. It belongs around everything that
// is served, other protocols' upgrades too.
func (h *Hub) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.admit(w, r, true) {
			next.ServeHTTP(w, r)
		}
	})
}

// admit reports whether r may go on, and answers it if not. Navigate is set where
// another site's link may lead.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request, navigate bool) bool {
	header := w.Header()
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	refuse := func(code int, format string, args ...any) bool {
		h.log.Debug("request refused", "status", code, "host", r.Host, "origin", r.Header.Get("Origin"),
			"site", r.Header.Get("Sec-Fetch-Site"), "url", r.URL)
		wrap.Unread(w, r)
		http.Error(w, fmt.Sprintf("devserve: "+format, args...), code)
		return false
	}
	host, ok := hostName(r.Host)
	if own := r.Header["Host"]; !ok || len(own) > 1 || len(own) == 1 && own[0] != r.Host {
		return refuse(http.StatusBadRequest, "malformed Host")
	}
	if r.URL.Host != "" || r.URL.Scheme != "" || r.Method == http.MethodConnect {
		return refuse(http.StatusBadRequest, "this is no proxy: ask for a path, not for a URL")
	}
	if !h.hosts.allow(host, r) {
		return refuse(http.StatusForbidden, "host %q is not allowed; start devserve with --allow-host %s to allow it", host, host)
	}
	if origins := r.Header["Origin"]; len(origins) == 1 && slices.Contains(h.o.AllowOrigins, origins[0]) {
		return h.share(w, r, origins[0])
	} else if len(origins) > 1 || len(origins) == 1 && !sameOrigin(origins[0], r) {
		return refuse(http.StatusForbidden, "request from another origin: %q", strings.Join(origins, ", "))
	}
	switch sites := r.Header["Sec-Fetch-Site"]; {
	case len(sites) == 0:
	case len(sites) == 1 && (sites[0] == "same-origin" || sites[0] == "none"):
	case navigate && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document":
	default:
		return refuse(http.StatusForbidden, "request from another site")
	}
	return true
}

// share lets a page of an allowed origin read the answer to r. It answers the question that the browser may ask before.
//
// https://fetch.spec.whatwg.org/#http-cors-protocol
func (h *Hub) share(w http.ResponseWriter, r *http.Request, origin string) bool {
	header := w.Header()
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	header.Set("Access-Control-Allow-Origin", origin)
	header.Add("Vary", "Origin")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return true
	}
	header.Set("Access-Control-Allow-Methods", r.Header.Get("Access-Control-Request-Method"))
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		header.Set("Access-Control-Allow-Headers", names)
	}
	w.WriteHeader(http.StatusNoContent)
	return false
}

// parseOrigins checks what Options.AllowOrigins has.
func parseOrigins(origins []string) error {
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin {
			return fmt.Errorf("reload: AllowOrigins: %q is not an origin: give it as https://app.example.com, with the port if it has one", origin)
		}
	}
	return nil
}

// sameOrigin reports whether origin, as a browser writes it, is where r was sent.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return false
	}
	scheme, port := "http", ":80"
	if r.TLS != nil {
		scheme, port = "https", ":443"
	}
	return u.Scheme == scheme && strings.EqualFold(strings.TrimSuffix(u.Host, port), strings.TrimSuffix(r.Host, port))
}

// hosts are the names of Options.AllowHosts, in lower case: "name", or ".name" for
// name and all below it.
type hosts []string

func parseHosts(names []string) (hosts, error) {
	var hs hosts
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			hs = append(hs, ip.Unmap().String())
			continue
		}
		host, ok := hostName(strings.TrimPrefix(name, "."))
		if _, _, err := net.SplitHostPort(name); !ok || err == nil {
			return nil, fmt.Errorf("reload: AllowHosts: %q is not a host name", name)
		}
		if strings.HasPrefix(name, ".") {
			host = "." + host
		}
		hs = append(hs, host)
	}
	return hs, nil
}

// allow reports whether requests may come under host, which hostName returned.
func (hs hosts) allow(host string, r *http.Request) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	// An address is nobody's name, so it can not be pointed elsewhere. Still, only
	// loopback and the one the connection came to: others do not lead here.
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		if ip.IsLoopback() {
			return true
		}
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && local.AddrPort().Addr().Unmap() == ip {
			return true
		}
	}
	for _, h := range hs {
		if host == h || h[0] == '.' && (host == h[1:] || strings.HasSuffix(host, h)) {
			return true
		}
	}
	return false
}

// hostName returns the name in a Host header, in lower case and without port,
// brackets and trailing dot, and false if hostport is malformed.
func hostName(hostport string) (string, bool) {
	host, port := hostport, ""
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && i > strings.LastIndexByte(hostport, ']') {
		host, port = hostport[:i], hostport[i+1:]
	}
	if len(port) > 5 || strings.Trim(port, "0123456789") != "" {
		return "", false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return ip.String(), ok && err == nil && ip.Is6()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || len(host) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false
		}
	}
	return host, true
}
