// Package reload pushes build events to browsers and injects the client into pages.
//
// A [Hub] keeps the state of the last build and hands every event to every
// connected stream. It promises:
//
//   - Publish never waits for a reader. A reader that lags too far behind is
//     dropped; it returns by itself and is told what it missed.
//   - Events have one order, the same for all. A stream is told the state as it
//     is, or everything since the event it knows, with no gap in between.
//   - An event is encoded once, whatever the number of streams.
//   - The hub's own endpoints, and whatever [Hub.Guard] wraps, are out of reach of
//     other sites, including one whose name was pointed at this machine.
//   - [Hub.Inject] adds one script element to complete HTML documents and changes
//     no other byte of any body, but that a compressed document is sent decoded.
//
// The package knows no bundler and can be used without one: a program that only
// wants its pages reloaded calls [Hub.Reload].
package reload

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/devserve/devserve/client"
	"github.com/devserve/devserve/internal/wrap"
	"golang.org/x/time/rate"
)

// Options tunes a [Hub]. The zero value is ready to use.
type Options struct {
	// Base is the URL prefix, with both slashes, under which the page sees this
	// server; the endpoints lie at Base + "_devserve/". Zero means "/".
	Base string

	// Heartbeat is the pause after which a silent stream gets a comment. Zero means
	// 5s; readers take a stream for dead after 10s of silence, so that is the most.
	Heartbeat time.Duration

	// Queue is how many events a subscriber may lag behind before it is dropped. Zero means 64.
	Queue int

	// Retain is how many events are kept for Last-Event-ID. Zero means 256. Fewer
	// are kept when they are long: see retainBytes.
	Retain int

	// AllowHosts are names beside loopback under which requests may come; ".example.com"
	// allows example.com and every name below it. The address at which a connection
	// arrived is always allowed.
	AllowHosts []string

	// AllowOrigins are origins, as "https://app.example.com", beside our own whose pages may send requests and read the
	// answers, by CORS.
	AllowOrigins []string

	// OnNotify is called for POST notify; nil publishes a full reload.
	OnNotify func(reason string)

	// OnMessage is called for POST send: what a page sends by import.meta.hot.send, and
	// "devserve:reload" with {"reason": "…"} when one reloads. Data is JSON, or empty. Nil discards them.
	OnMessage func(event string, data json.RawMessage)

	// OnLog is called for POST log, with what a page wrote to its console. Level is
	// error, warn, info, log or debug; args are JSON values. Nil discards them.
	OnLog func(level string, args []any)

	// OnOpen is called for POST open, with a path as the page knows it, relative to the site, and line and column from 1, or 0.
	// What it returns is told to the page, so it must name no path of this machine. Nil answers that there is no editor.
	OnOpen func(file string, line, column int) error

	// OnTrace is told of every event with a [Trace] when a page has reported what it knows, again for each page, and without any
	// page when none does so in time. It may be called from several goroutines. Nil asks pages for nothing.
	OnTrace func(Trace)

	// Status adds to what the status endpoint tells; keys become JSON members.
	Status func() map[string]any

	Log *slog.Logger // debug records; nil discards them
}

// ErrClosed is returned by Publish after Close.
var ErrClosed = errors.New("reload: hub closed")

const (
	defaultHeartbeat = 5 * time.Second
	maxHeartbeat     = 10 * time.Second
	defaultQueue     = 64
	defaultRetain    = 256
)

// New checks o; it starts nothing.
func New(o Options) (*Hub, error) {
	if o.Base == "" {
		o.Base = "/"
	}
	if !strings.HasPrefix(o.Base, "/") || !strings.HasSuffix(o.Base, "/") {
		return nil, fmt.Errorf("reload: Base %q does not begin and end with a slash", o.Base)
	}
	if o.Heartbeat < 0 || o.Heartbeat > maxHeartbeat {
		return nil, fmt.Errorf("reload: Heartbeat %v is not within 0 and %v", o.Heartbeat, maxHeartbeat)
	}
	if o.Queue < 0 || o.Retain < 0 {
		return nil, fmt.Errorf("reload: Queue %d or Retain %d is negative", o.Queue, o.Retain)
	}
	hosts, err := parseHosts(o.AllowHosts)
	if err != nil {
		return nil, err
	}
	if err := parseOrigins(o.AllowOrigins); err != nil {
		return nil, err
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.Retain == 0 {
		o.Retain = defaultRetain
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		o:        o,
		log:      o.Log.With("pkg", "reload"),
		hosts:    hosts,
		token:    rand.Text(),
		nonce:    strings.ToLower(rand.Text()[:10]), // 50 bits: no two runs of a machine share it
		began:    time.Now(),
		commands: rate.NewLimiter(commandRate, commandRate),
		subs:     map[*subscriber]struct{}{},
	}
	h.traces.tell = o.OnTrace
	h.setState(Built{}.whole(), 0)
	h.client = newScript(fill(client.Script(), h.token, o.Base))
	return h, nil
}

// fill fills in what the client must know of this hub.
func fill(src []byte, token, base string) []byte {
	quoted, _ := json.Marshal(base) // a string always marshals
	// However the client was minified, it says token: "…", which is what
	// programs that are no page look for; see Notify.
	src = bytes.ReplaceAll(src, []byte(`token:"__DEVSERVE_TOKEN__"`), []byte(`token: "__DEVSERVE_TOKEN__"`))
	src = bytes.ReplaceAll(src, []byte("__DEVSERVE_TOKEN__"), []byte(token))
	return bytes.ReplaceAll(src, []byte(`"__DEVSERVE_BASE__"`), quoted)
}

// ServeHTTP answers everything under Base + "_devserve/", and Base + "__webpack_hmr".
// It guards itself, and more strictly than [Hub.Guard]: no endpoint is a page that
// another site may lead to.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.admit(w, r, false) {
		return
	}
	wrap.Unread(w, r) // until readBody has
	path, ok := strings.CutPrefix(r.URL.Path, h.o.Base)
	if !ok {
		path = ""
	}
	e, ok := endpoints[path]
	if !ok {
		http.Error(w, "devserve: no such endpoint", http.StatusNotFound)
		return
	}
	for _, m := range e.methods {
		if r.Method == m {
			e.serve(h, w, r)
			return
		}
	}
	w.Header().Set("Allow", strings.Join(e.methods, ", "))
	http.Error(w, "devserve: method not allowed here", http.StatusMethodNotAllowed)
}

// endpoints are the hub's paths below Base.
var endpoints = map[string]struct {
	methods []string
	serve   func(*Hub, http.ResponseWriter, *http.Request)
}{
	"_devserve/client.js": {[]string{"GET", "HEAD"}, (*Hub).serveClient},
	"_devserve/morph.js":  {[]string{"GET", "HEAD"}, (*Hub).serveMorph},
	"_devserve/events":    {[]string{"GET", "HEAD", "POST"}, (*Hub).serveEvents},
	"_devserve/stream.js": {[]string{"GET", "HEAD"}, (*Hub).serveStream},
	"_devserve/status":    {[]string{"GET", "HEAD"}, (*Hub).serveStatus},
	"_devserve/notify":    {[]string{"POST"}, (*Hub).serveNotify},
	"_devserve/log":       {[]string{"POST"}, (*Hub).serveLog},
	"_devserve/open":      {[]string{"POST"}, (*Hub).serveOpen},
	"_devserve/send":      {[]string{"POST"}, (*Hub).serveSend},
	"_devserve/trace":     {[]string{"POST"}, (*Hub).serveTrace},
	"__webpack_hmr":       {[]string{"GET", "HEAD"}, (*Hub).serveWebpack},
}
