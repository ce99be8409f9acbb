package reload

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/devserve/devserve/client"
	"github.com/devserve/devserve/internal/wrap"
)

// A script is one of the client's, with its entity tag.
type script struct {
	body []byte
	tag  string
}

func newScript(body []byte) script { return script{body, fmt.Sprintf("\"%x\"", sha256.Sum256(body))} }

func (s script) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/javascript; charset=utf-8")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", s.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.body))
}

func (h *Hub) serveClient(w http.ResponseWriter, r *http.Request) { h.client.serve(w, r) }
func (h *Hub) serveStream(w http.ResponseWriter, r *http.Request) { streamScript().serve(w, r) }
func (h *Hub) serveMorph(w http.ResponseWriter, r *http.Request)  { morphScript().serve(w, r) }

var (
	streamScript = sync.OnceValue(func() script { return newScript(client.Stream()) })
	morphScript  = sync.OnceValue(func() script { return newScript(client.Morph()) })
)

// A clientStatus is one open stream, for the status endpoint.
type clientStatus struct {
	Since     time.Time `json:"since"`
	UserAgent string    `json:"userAgent"`
	Remote    string    `json:"remote"`
	Protocol  string    `json:"protocol"` // "events"; "fetch" or "poll" where something holds those back; "webpack" for its protocol
}

func (h *Hub) serveStatus(w http.ResponseWriter, r *http.Request) {
	status := map[string]any{}
	if h.o.Status != nil {
		for k, v := range h.o.Status() {
			status[k] = v
		}
	}
	h.mu.Lock()
	status["boot"] = h.nonce
	status["id"] = h.id(h.last)
	status["hash"] = h.good.Hash
	status["building"] = h.running
	status["state"] = h.state.name()
	switch e := h.state.(type) {
	case Built:
		status["build"], status["errors"], status["warnings"] = e.Build, []Diagnostic{}, e.Warnings
	case Error:
		status["build"], status["errors"], status["warnings"] = e.Build, e.Errors, e.Warnings
	}
	clients := make([]clientStatus, 0, len(h.subs))
	for s := range h.subs {
		c := clientStatus{Since: s.since, UserAgent: s.agent, Remote: s.remote, Protocol: s.by}
		clients = append(clients, c)
	}
	h.mu.Unlock()
	slices.SortFunc(clients, func(a, b clientStatus) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Remote, b.Remote))
	})
	status["clients"] = clients
	status["clientCount"] = len(clients)
	status["memory"] = memory()
	status["trace"] = h.traces.newest()
	status["uptime"] = time.Since(h.began).Seconds()
	body, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		http.Error(w, fmt.Sprintf("devserve: status: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	w.Write(append(body, '\n'))
}

// memory tells in bytes what the process uses: live and dead objects, all that Go
// took from the system, and, where /proc is, what is resident.
func memory() map[string]uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	metrics.Read(samples)
	m := map[string]uint64{"heap": samples[0].Value.Uint64(), "total": samples[1].Value.Uint64()}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			if pages, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				m["rss"] = pages * uint64(os.Getpagesize())
			}
		}
	}
	return m
}

const (
	// maxCommandBody is what a POST that does something may carry, in bytes.
	maxCommandBody = 64 << 10

	// maxLine is what is kept of a string that a page logs, in bytes.
	maxLine = 8 << 10

	// commandRate is how many such requests are heard in a second: what a page that logs in a loop sends beyond
	// them is refused.
	commandRate = 100
)

// serveNotify publishes a full reload: {"reason": "…"}, or no body.
func (h *Hub) serveNotify(w http.ResponseWriter, r *http.Request) {
	var body struct{ Reason string }
	if !h.command(w, r, &body) {
		return
	}
	if body.Reason == "" {
		body.Reason = "notify"
	}
	if h.o.OnNotify != nil {
		h.o.OnNotify(body.Reason)
	} else if _, err := h.Reload(body.Reason); err != nil {
		http.Error(w, "devserve: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveLog takes what a page wrote to its console: {"level": "error", "args": […]}.
func (h *Hub) serveLog(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Level string
		Args  []any
	}
	if !h.command(w, r, &body) {
		return
	}
	if !slices.Contains([]string{"error", "warn", "info", "log", "debug"}, body.Level) || body.Args == nil {
		http.Error(w, `devserve: want {"level": error, warn, info, log or debug, "args": […]}`, http.StatusBadRequest)
		return
	}
	shorten(body.Args)
	if h.o.OnLog != nil {
		h.o.OnLog(body.Level, body.Args)
	}
	w.WriteHeader(http.StatusNoContent)
}

// shorten returns a JSON value, changed, with no string longer than maxLine but for an ellipsis.
func shorten(value any) any {
	switch v := value.(type) {
	case string:
		if len(v) > maxLine {
			return strings.ToValidUTF8(v[:maxLine], "") + "…"
		}
	case []any:
		for i := range v {
			v[i] = shorten(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = shorten(v[key])
		}
	}
	return value
}

// serveOpen opens a file in the developer's editor: {"file": "src/a.ts", "line": 1, "column": 1}. Line and column count from
// 1 and may be missing. Which files, and how, is for Options.OnOpen to say.
func (h *Hub) serveOpen(w http.ResponseWriter, r *http.Request) {
	var body struct {
		File         string
		Line, Column int
	}
	if !h.command(w, r, &body) {
		return
	}
	if body.File == "" || body.Line < 0 || body.Column < 0 {
		http.Error(w, `devserve: want {"file": "a path in the site", "line": from 1, "column": from 1}`, http.StatusBadRequest)
		return
	}
	if h.o.OnOpen == nil {
		http.Error(w, "devserve: no editor is set up here", http.StatusNotImplemented)
		return
	}
	if err := h.o.OnOpen(body.File, body.Line, body.Column); err != nil {
		http.Error(w, "devserve: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// serveSend takes a message of a page to the program: {"event": "…", "data": …}.
func (h *Hub) serveSend(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Event string
		Data  json.RawMessage
	}
	if !h.command(w, r, &body) {
		return
	}
	if body.Event == "" {
		http.Error(w, `devserve: want {"event": "a name", "data": …}`, http.StatusBadRequest)
		return
	}
	if h.o.OnMessage != nil {
		h.o.OnMessage(body.Event, body.Data)
	}
	w.WriteHeader(http.StatusNoContent)
}

// command reads the JSON object in r's body into v, which stays as it is when the body
// is empty. It answers r and returns false unless a page of our own sent it: the token
// is in a script that other sites cannot read, and a form can send neither
// it nor this content type.
func (h *Hub) command(w http.ResponseWriter, r *http.Request, v any) bool {
	refuse := func(code int, text string) bool {
		http.Error(w, "devserve: "+text, code)
		return false
	}
	if r.Header.Get("Origin") == "" { // that it is ours has been checked
		return refuse(http.StatusForbidden, "no Origin")
	}
	if token := r.Header.Get("X-Devserve-Token"); subtle.ConstantTimeCompare([]byte(token), []byte(h.token)) != 1 {
		return refuse(http.StatusForbidden, "X-Devserve-Token is not that of this server's client.js")
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "want application/json")
	}
	if !h.commands.Allow() {
		w.Header().Set("Retry-After", "1")
		return refuse(http.StatusTooManyRequests, fmt.Sprintf("more than %d requests a second", commandRate))
	}
	body, err := readBody(w, r, maxCommandBody)
	if err != nil {
		return refuse(bodyStatus(err), "cannot read the request's body")
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return true
	}
	if body[0] != '{' {
		return refuse(http.StatusBadRequest, "want a JSON object")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return refuse(http.StatusBadRequest, err.Error())
	}
	return true
}

// readBody reads r's body, up to a size in bytes, and for no longer than ServeHTTP said by [wrap.Unread].
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		wrap.Read(w)
	}
	return body, err
}

// bodyStatus is the answer to a request whose body could not be read.
func bodyStatus(err error) int {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}
