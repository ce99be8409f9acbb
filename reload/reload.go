// Package reload pushes build events to browsers and injects the client into pages.
package reload

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Options tunes a [Hub]. The zero value is ready to use.
type Options struct {
	// Base is the URL prefix, with both slashes, under which the page sees this
	// server; the endpoints lie at Base + "_devserve/". Zero means "/".
	Base string

	// Heartbeat is the pause after which a silent stream gets a comment. Zero means 5s.
	Heartbeat time.Duration

	// Queue is how many events a subscriber may lag behind before it is dropped. Zero means 64.
	Queue int

	// Retain is how many events are kept for Last-Event-ID. Zero means 256.
	Retain int

	// AllowHosts are names beside loopback under which requests may come; ".example.com"
	// allows every name below example.com.
	AllowHosts []string

	// OnNotify is called for POST notify; nil publishes a full reload.
	OnNotify func(reason string)

	// Status adds to what the status endpoint tells; keys become JSON members.
	Status func() map[string]any

	Log *slog.Logger // debug records; nil discards them
}

// Hub hands events to every connected stream.
type Hub struct{}

// ErrClosed is returned by Publish after Close.
var ErrClosed = errors.New("reload: hub closed")

// New checks o; it starts nothing.
func New(o Options) (*Hub, error) { return nil, errors.ErrUnsupported }

// ServeHTTP answers everything under Base + "_devserve/", and Base + "__webpack_hmr".
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Publish queues e for every stream, returns its event ID and never waits for a reader.
func (h *Hub) Publish(e Event) (string, error) { return "", ErrClosed }

// Inject wraps next so that every complete HTML document it answers loads the client.
func (h *Hub) Inject(next http.Handler) http.Handler { return next }

// Guard wraps next so that it is reached only under an allowed Host and not from another site.
func (h *Hub) Guard(next http.Handler) http.Handler { return next }

// Close ends every stream. Publish returns ErrClosed afterwards.
func (h *Hub) Close() error { return nil }
